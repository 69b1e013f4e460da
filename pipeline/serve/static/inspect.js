// Photographs in, the verdict out, and what a person says of it.
import { $, ask, el, icon, keys, kindOf, percent, picture, t, thumbnail, toast, trying } from "./common.js";

const most = Number($("#capture").dataset.most);
const mostBytes = Number($("#capture").dataset.bytes) - 65536; // less what a form adds
const model = await ask("/v1/model");
let files = []; // of the part that is shown
let parts = []; // judged together
let part = null;
let view = 0;
let correction = null;
let opacity = 60;
let stopped = false; // judging many parts

const mode = () => $("input[name=mode]:checked").value;
const show = (id, on) => { $(id).hidden = !on; };

try {
  $("#by").value = localStorage.getItem("by") ?? "";
  const kept = localStorage.getItem("mode");
  if (kept) $(`input[name=mode][value=${kept === "each" ? "each" : "one"}]`).checked = true;
} catch { /* a browser that keeps nothing */ }

function remember(name, value) {
  try { localStorage.setItem(name, value); } catch { /* likewise */ }
}

async function judge(added) {
  const given = [...added];
  const chosen = given.filter((file) => file.size);
  if (chosen.length < given.length) toast(t("inspect.empty", { name: given.find((file) => !file.size).name }), true);
  if (!chosen.length) return;
  const adding = part !== null && parts.length === 1 && !$("#result").hidden;
  const together = adding || mode() === "one";
  const all = adding ? [...files, ...chosen] : chosen;
  if (together && all.length > most) { toast(t("inspect.too_many", { n: most }), true); return; }
  const heavy = together ? all.reduce((sum, file) => sum + file.size, 0) : Math.max(...chosen.map((file) => file.size));
  if (heavy > mostBytes) { toast(t("inspect.too_large", { found: Math.ceil(heavy / 2 ** 20), most: Math.floor(mostBytes / 2 ** 20) }), true); return; }
  show("#capture", false); show("#result", false); show("#list", false); show("#working", true);
  const name = $("#part").value.trim();
  const groups = together ? [all] : chosen.map((file) => [file]);
  const found = [];
  stopped = false;
  show("#stop", groups.length > 1);
  await trying(async () => {
    for (const [number, group] of groups.entries()) {
      if (stopped) break;
      $("#working p").textContent = groups.length > 1 ? t("inspect.judging.of", { n: number + 1, of: groups.length }) : t("inspect.judging");
      const form = new FormData();
      for (const file of group) form.append("file", file, file.name);
      form.append("source", "page");
      form.append("part", together ? name || group[0].name : group[0].name);
      found.push(...(await patient(form)).parts);
    }
  });
  show("#working", false);
  if (!found.length) { show("#capture", !part); show("#result", part !== null); return; }
  files = all;
  parts = found;
  list();
  select(0);
}

$("#stop").addEventListener("click", () => { stopped = true; });

// A queue that is full empties in a second; a person should not have to press again.
async function patient(form) {
  for (let tries = 0; ; tries += 1) {
    try { return await ask("/v1/predict", form); }
    catch (error) {
      if (error.status !== 429 || tries >= 10) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

function list() {
  show("#list", parts.length > 1);
  $("#list").replaceChildren(...parts.map((one, number) =>
    el(`button.row.k-${one.kind}`, { onclick: () => select(number), "aria-pressed": "false" },
      thumbnail(one.kind === "unreadable" ? "" : one.photographs[0].digest),
      el("span.grow", {}, el("b", {}, word(one)), one.part),
      icon(one.kind))));
}

const word = (one) => (one.kind === "class" ? one.verdict : t(`verdict.${one.kind}`));

function select(number) {
  part = parts[number];
  view = 0;
  [...$("#list").children].forEach((row, at) => {
    row.classList.toggle("active", at === number);
    row.setAttribute("aria-pressed", String(at === number));
    if (at === number) row.scrollIntoView({ block: "nearest" });
  });
  show("#result", true);
  show(".columns", part.kind !== "unreadable");
  show("#add-view", parts.length === 1); // with others beside it, judging anew would lose their list
  verdict();
  views();
  look();
  alike();
  resetCorrection();
  if (!$("#list").contains(document.activeElement)) $("#result").focus({ preventScroll: parts.length > 1 });
  if (parts.length === 1) window.scrollTo({ top: 0 });
}

function verdict() {
  $("#result").className = `result k-${part.kind}`;
  $("#symbol").setAttribute("href", `/static/icons.svg#${part.kind}`);
  $("#word").textContent = word(part);
  const count = part.photographs.length;
  const seen = count === 1 ? t("common.photograph") : t("common.photographs", { n: count });
  const named = ["pass", "reject"].includes(part.kind) ? part.verdict : "";
  $("#sub").textContent = [named, part.part, seen].filter(Boolean).join(" · ");
  gauge();
  const unlike = part.photographs.some((one) => one.unlike);
  // Of one photograph the note says no more than that.
  const notes = [part.error, unlike && part.photographs.length === 1 ? null : part.note].filter(Boolean);
  if (unlike) notes.unshift(t("inspect.unlike"));
  if (part.photographs.some((one) => one.trained_on)) notes.push(t("inspect.trained"));
  show("#note", notes.length > 0);
  $("#note").replaceChildren(...notes.map((text) => el("div", {}, text)));
}

function gauge() {
  show("#gauge", part.probability !== null);
  if (part.probability === null) return;
  $("#gauge-name").textContent = t(part.limit === null ? "inspect.probability.class" : "inspect.probability");
  $("#said").textContent = part.said;
  $("#fill").style.width = percent(part.probability, 2).replace(" ", "");
  show("#tick", part.limit !== null);
  show("#limit", part.limit !== null);
  if (part.limit === null) return;
  const at = percent(part.limit, 2).replace(" ", "");
  $("#tick").style.left = at;
  const side = part.limit < 0.12 ? "from-left" : part.limit > 0.88 ? "from-right" : "";
  const mark = el(`span${side ? `.${side}` : ""}`, {}, t("inspect.limit", { limit: percent(part.limit, part.limit < 0.1 ? 1 : 0) }));
  mark.style.left = at;
  $("#limit").replaceChildren(mark);
}

function views() {
  const several = part.photographs.length > 1;
  show("#views", several);
  $("#views").replaceChildren(...(several ? part.photographs : []).map((one, number) =>
    el(`button.thumb.k-${one.kind}`, { title: one.name, onclick: () => { view = number; look(); },
      "aria-label": t("inspect.view", { n: number + 1, of: part.photographs.length }) },
      thumbnail(one.error === null ? one.digest : ""), icon(one.kind))));
}

function look() {
  const one = part.photographs[view];
  [...$("#views").children].forEach((thumb, at) => thumb.setAttribute("aria-pressed", String(at === view)));
  const photo = $("#photo");
  photo.hidden = one.error !== null;
  if (one.error === null) photo.src = picture(one.digest, 1200);
  photo.alt = one.name;
  const place = part.photographs.length > 1 ? t("inspect.view", { n: view + 1, of: part.photographs.length }) + " · " : "";
  $("#view-name").textContent = place + one.name + (one.error ? `: ${one.error}` : "");
  show("#heat-row", one.heatmap);
  $("#heat").hidden = true;
  if (one.heatmap) heatmap(part, view);
}

async function heatmap(of, number) {
  const answer = await fetch(`/v1/parts/${of.id}/heatmaps/${number}?side=1200`);
  if (!answer.ok || of !== part || number !== view) return;
  const heat = $("#heat");
  $("#heat-says").textContent = answer.headers.get("x-heatmap-says") ?? "";
  heat.src = URL.createObjectURL(await answer.blob());
  heat.onload = () => URL.revokeObjectURL(heat.src);
  heat.hidden = false;
  heat.style.opacity = opacity / 100;
}

$("#opacity").addEventListener("input", (event) => {
  opacity = Number(event.target.value);
  $("#heat").style.opacity = opacity / 100;
});

async function alike() {
  const of = part;
  $("#alike").replaceChildren();
  if (of.kind === "unreadable") return;
  const found = await ask(`/v1/parts/${of.id}/neighbours`).catch(() => ({ neighbours: [] }));
  if (of !== part) return;
  const cards = found.neighbours.map((one) => el("div.card", {},
    thumbnail(one.digest, 480, one.name),
    el(`p.k-${kindOf(model, one.label)}`, {}, el("span.chip", {}, icon(kindOf(model, one.label)), one.label), el("span.name", {}, one.name))));
  $("#alike").replaceChildren(...(cards.length ? cards : [el("p.small", {}, t("inspect.alike.none"))]));
}

// ---- what a person says of it ---------------------------------------------------------------

function resetCorrection() {
  correction = part.correction ?? null;
  show("#which", false);
  show("#kept", correction !== null);
  if (correction) $("#kept span").textContent = kept(correction.label);
  $("#note-text").value = "";
  for (const button of document.querySelectorAll("[data-judgement]"))
    button.setAttribute("aria-pressed", String(correction?.judgement === button.dataset.judgement));
}

const kept = (label) => (label ? t("correct.kept", { label }) : t("correct.kept.unsure"));

let asked = null;

function say(judgement) {
  if (!part || correction || part.kind === "unreadable") return;
  asked = judgement;
  for (const button of document.querySelectorAll("[data-judgement]"))
    button.setAttribute("aria-pressed", String(button.dataset.judgement === judgement));
  if (judgement === "unsure") { keep(""); return; }
  // Right: a class that the verdict stands for; wrong: one of the others. One alone is not asked for.
  const open = part.kind === "review";
  const fits = (label) => open || ((model.class_of[label] === part.verdict) === (judgement === "right"));
  const meant = model.labels.filter(fits);
  if (meant.length === 1) { keep(meant[0]); return; }
  for (const button of $("#classes").children) button.hidden = !meant.includes(button.dataset.label);
  show("#which", true);
  $("#classes button:not([hidden])")?.focus();
}

async function keep(label) {
  const of = part;
  const judgement = asked;
  remember("by", $("#by").value.trim());
  await trying(async () => {
    of.correction = await ask("/v1/corrections", { id: of.id, judgement, label, note: $("#note-text").value.trim(), by: $("#by").value.trim() });
    if (of !== part) return;
    correction = of.correction;
    show("#which", false);
    show("#kept", true);
    $("#kept span").textContent = kept(label);
    $("#next-part").focus({ preventScroll: true });
  });
  if (of === part && !correction) resetCorrection();
}

async function undo() {
  if (!correction) return;
  const of = part;
  await trying(async () => {
    await ask(`/v1/corrections/${of.correction.id}/undo`, {});
    of.correction = null;
    if (of === part) resetCorrection();
    toast(t("correct.undone"));
  });
}

for (const button of document.querySelectorAll("[data-judgement]"))
  button.addEventListener("click", () => say(button.dataset.judgement));
for (const button of $("#classes").children)
  button.addEventListener("click", () => keep(button.dataset.label));
$("#undo").addEventListener("click", undo);

// ---- photographs in -------------------------------------------------------------------------

function next() {
  const following = parts.indexOf(part) + 1;
  if (part !== null && following < parts.length) { select(following); return; }
  files = []; parts = []; part = null; correction = null;
  $("#part").value = "";
  show("#result", false); show("#list", false); show("#capture", true);
  window.scrollTo({ top: 0 });
  $("#files-label").focus();
}

for (const id of ["#camera", "#files"]) {
  $(id).addEventListener("change", (event) => { const chosen = [...event.target.files]; event.target.value = ""; judge(chosen); });
  $(`${id}-label`).addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); $(id).click(); }
  });
}
for (const radio of document.querySelectorAll("input[name=mode]"))
  radio.addEventListener("change", () => remember("mode", mode()));
$("#add-view").addEventListener("click", () => $(matchMedia("(hover: none)").matches ? "#camera" : "#files").click());
$("#next-part").addEventListener("click", next);

let depth = 0;
const over = (on) => $("#capture").classList.toggle("over", on);
document.addEventListener("dragenter", (event) => { event.preventDefault(); depth += 1; over(true); });
document.addEventListener("dragleave", () => { depth -= 1; if (depth <= 0) over(false); });
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => { event.preventDefault(); depth = 0; over(false); judge(event.dataTransfer.files); });
document.addEventListener("paste", (event) => { if (event.clipboardData.files.length) judge(event.clipboardData.files); });

function turn(step) {
  if (!part || part.photographs.length < 2) return false;
  view = (view + step + part.photographs.length) % part.photographs.length;
  look();
  return true;
}

// Up and down in the list of parts.
function step(event, by) {
  const row = $("#list").children[parts.indexOf(part) + by];
  if (!$("#list").contains(event.target) || !row) return false;
  row.focus();
  row.click();
  return true;
}

const digits = Object.fromEntries([...Array(9).keys()].map((number) => [String(number + 1), () => {
  const button = $("#classes").children[number];
  if ($("#which").hidden || !button || button.hidden) return false;
  button.click();
  return true;
}]));

keys({
  o: () => { $("#files").click(); }, c: () => { $("#camera").click(); }, n: next,
  r: () => say("right"), w: () => say("wrong"), u: () => say("unsure"), z: undo,
  h: () => { const slider = $("#opacity"); slider.value = Number(slider.value) ? 0 : 60; slider.dispatchEvent(new Event("input")); },
  ArrowUp: (event) => step(event, -1), ArrowDown: (event) => step(event, 1),
  ArrowLeft: (event) => (event.target.type === "range" ? false : turn(-1)),
  ArrowRight: (event) => (event.target.type === "range" ? false : turn(1)),
  ...digits,
});
document.body.dataset.ready = "yes";
