// The token, once; the browser keeps a cookie that no other site can send.
import { $, ask } from "./common.js";

$("#login").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    await ask("/login", { token: $("#token").value });
    location.assign("/");
  } catch (error) {
    $("#failed").hidden = false;
    $("#failed").textContent = error.message;
  }
});
document.body.dataset.ready = "yes";
