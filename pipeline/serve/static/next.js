// One part after the other that would teach the model most: one tap each.
import { $, ask, el, follow, keys, percent, picture, t, thumbnail, toast, trying } from "./common.js";

let questions = [];
let at = 0;
let last = null;

async function find() {
  await ask("/v1/next", {});
  await watch();
}

async function watch() {
  const job = await follow("next", (one) => {
    $("#progress").hidden = !one.running;
    $("#start").disabled = one.running;
    if (one.total > 0) $("#bar").value = one.done / one.total; else $("#bar").removeAttribute("value");
  });
  if (job.error) { says(t("next.failed", { error: job.error })); return; }
  questions = job.result?.questions ?? [];
  at = 0;
  if (!questions.length) says($("#question").dataset.none);
  show();
}

function says(text) {
  $("#says").hidden = !text;
  $("#says").textContent = text;
}

function show() {
  const one = questions[at];
  $("#question").hidden = !one;
  $("#intro").hidden = Boolean(one);
  if (!one) {
    if (questions.length) says(t("next.done"));
    return;
  }
  $("#at").textContent = t("next.progress", { n: at + 1, of: questions.length });
  $("#photo").src = picture(one.digests[0], 1200);
  $("#photo").alt = one.part;
  $("#part").textContent = one.part;
  $("#probability").textContent = one.probability === null ? "" : percent(one.probability);
  $("#why").textContent = one.why;
  $("#views").hidden = one.digests.length < 2;
  $("#views").replaceChildren(...(one.digests.length < 2 ? [] : one.digests).map((digest, number) =>
    el("button.thumb", { "aria-label": t("inspect.view", { n: number + 1, of: one.digests.length }), onclick: () => { $("#photo").src = picture(digest, 1200); } }, thumbnail(digest))));
  $("#question").focus({ preventScroll: true });
  const following = questions[at + 1];
  if (following) new Image().src = picture(following.digests[0], 1200);
}

async function answer(label) {
  const one = questions[at];
  if (!one) return;
  await trying(async () => {
    let by = "";
    try { by = localStorage.getItem("by") ?? ""; } catch { /* a browser that keeps nothing */ }
    last = await ask(`/v1/questions/${one.id}`, { label, by });
    $("#undo").disabled = false;
    toast(label ? t("correct.kept", { label }) : t("correct.kept.unsure"));
    at += 1;
    show();
  });
}

async function undo() {
  if (!last) return;
  await trying(async () => {
    await ask(`/v1/corrections/${last.id}/undo`, {});
    last = null;
    $("#undo").disabled = true;
    at = Math.max(0, at - 1);
    toast(t("correct.undone"));
    show();
  });
}

for (const button of $("#classes").children) button.addEventListener("click", () => answer(button.dataset.label));
$("#start").addEventListener("click", () => { says(""); trying(find); });
$("#skip").addEventListener("click", () => { at += 1; show(); });
$("#undo").addEventListener("click", undo);
const digits = Object.fromEntries([...$("#classes").children].map((button, number) => [String(number + 1), () => button.click()]));
keys({ ...digits, u: () => answer(""), s: () => $("#skip").click(), z: undo });

const job = await ask("/v1/jobs/next");
if (job.running) trying(watch);
document.body.dataset.ready = "yes";
