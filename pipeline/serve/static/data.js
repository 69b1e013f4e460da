// What there is to learn from; labels in doubt; which photographs show one part.
import { $, ask, el, follow, icon, keys, kindOf as kind, t, thumbnail, toast, trying } from "./common.js";

const model = await ask("/v1/model");
const kindOf = (label) => kind(model, label);

// ---- what there is --------------------------------------------------------------------------

async function overview() {
  const found = await ask("/v1/data");
  const cell = (value) => el("td.n", {}, String(value));
  const sum = (name) => found.classes.reduce((total, one) => total + one[name], 0);
  $("#counts").replaceChildren(
    el("thead", {}, el("tr", {}, el("th", {}, t("data.class")), el("th.n", {}, t("data.count.parts")), el("th.n", {}, t("data.count.photographs")), el("th.n", {}, t("data.count.corrected")))),
    el("tbody", {}, ...found.classes.map((one) => el("tr", {}, el(`td.k-${kindOf(one.label)}`, {}, el("span.chip", {}, icon(kindOf(one.label)), one.label)), cell(one.parts), cell(one.photographs), cell(one.corrected))),
      el("tr", {}, el("th", {}, t("data.total")), cell(found.parts), cell(found.photographs), cell(sum("corrected")))));
  $("#warnings").replaceChildren(...found.warnings.map((text) => el("li", {}, text)));
  $("#how").textContent = found.proposed ? t("data.parts.proposed", { how: found.how }) : `${t("data.parts.told")} (${found.how})`;
}

// ---- labels in doubt ------------------------------------------------------------------------

async function suspects() {
  const job = await follow("suspects", (one) => {
    $("#suspects-progress").hidden = !one.running;
    $("#suspects-start").disabled = one.running;
  });
  const text = job.error ? t("data.suspects.failed", { error: job.error }) : job.result.questions.length ? "" : [t("data.suspects.none"), ...(job.result.notes ?? [])].join(" ");
  $("#suspects-says").hidden = !text;
  $("#suspects-says").textContent = text;
  $("#suspects").replaceChildren(...(job.result?.questions ?? []).map(suspect));
}

function suspect(one) {
  const say = (label) => trying(async () => {
    const made = await ask(`/v1/questions/${one.id}`, { label });
    const following = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    (following?.querySelector("button") ?? $("#suspects-start")).focus();
    toast(made.label ? t("correct.kept", { label: made.label }) : t("correct.kept.unsure"));
    await overview();
  });
  const others = model.labels.filter((label) => label !== one.given);
  const row = el("div.row", {}, thumbnail(one.digests[0], 480),
    el("span.grow", {}, el("b", {}, one.part), one.why),
    el("button.quiet", { onclick: () => say(one.given) }, t("data.suspects.confirm", { label: one.given })),
    ...others.map((label) => el("button.quiet", { onclick: () => say(label) }, label)),
    el("button.quiet", { onclick: () => say("") }, t("correct.unsure")));
  return row;
}

// ---- parts ----------------------------------------------------------------------------------

let page = 0;
let asking = false; // which part the chosen ones go to
const moved = new Map(); // path -> part
const chosen = new Set(); // of tiles

function thumb(one, part) {
  const tile = el("button.thumb", { title: one.path, draggable: true, "aria-pressed": "false", "aria-label": one.name, onclick: () => choose(tile) }, thumbnail(one.digest));
  tile.one = one;
  tile.home = part;
  tile.addEventListener("dragstart", (event) => {
    if (!chosen.has(tile)) choose(tile);
    event.dataTransfer.setData("text/plain", one.path);
    event.dataTransfer.effectAllowed = "move";
  });
  return tile;
}

function choose(tile) {
  if (asking) { put(tile.closest(".group")); return; }
  if (chosen.has(tile)) chosen.delete(tile); else chosen.add(tile);
  tile.setAttribute("aria-pressed", String(chosen.has(tile)));
  state();
}

function group(part, photographs) {
  const here = el("button.quiet", { hidden: true, onclick: () => put(made) }, t("data.move.here"));
  const made = el("div.group", { tabIndex: -1 }, el("header", {}, el("b", {}, t("data.part", { part })), here), el("div.thumbs", {}, ...photographs.map((one) => thumb(one, part))));
  made.name = part;
  made.here = here;
  made.addEventListener("dragover", (event) => { event.preventDefault(); made.classList.add("over"); });
  made.addEventListener("dragleave", () => made.classList.remove("over"));
  made.addEventListener("drop", (event) => { event.preventDefault(); event.stopPropagation(); made.classList.remove("over"); put(made); });
  return made;
}

function put(target) {
  ask_where(false);
  const first = [...chosen][0];
  for (const tile of chosen) {
    target.querySelector(".thumbs").append(tile);
    if (target.name === tile.home) moved.delete(tile.one.path); else moved.set(tile.one.path, target.name);
    tile.classList.toggle("moved", moved.has(tile.one.path));
    tile.setAttribute("aria-pressed", "false");
  }
  chosen.clear();
  for (const one of [...$("#parts").children]) if (!one.querySelector(".thumb")) one.remove();
  state();
  first?.focus();
}

// Arrows go from photograph to photograph and from part to part; where a place is asked for, from
// one "Put here" to the next.
function arrow(by, rows) {
  const from = document.activeElement;
  if (asking) {
    const places = [...$("#parts").children].map((one) => one.here);
    const at = places.indexOf(from);
    places[Math.min(places.length - 1, Math.max(0, at + by))]?.focus();
    return true;
  }
  if (!from.classList.contains("thumb") || !$("#parts").contains(from)) return false;
  const here = [...from.parentNode.children].indexOf(from);
  const near = by > 0 ? from.closest(".group").nextElementSibling : from.closest(".group").previousElementSibling;
  const all = [...document.querySelectorAll("#parts .thumb")];
  const inNext = near && [...near.querySelectorAll(".thumb")];
  const to = rows ? inNext && inNext[Math.min(here, inNext.length - 1)] : all[all.indexOf(from) + by];
  to?.focus();
  return true;
}

function split() {
  if (!chosen.size) return;
  const first = [...chosen][0].one;
  const target = group(`${first.path} +`, []);
  $("#parts").prepend(target);
  put(target);
  target.scrollIntoView({ block: "nearest" });
}

function ask_where(on) {
  asking = on;
  for (const one of $("#parts").children) one.here.hidden = !on;
  $("#move").setAttribute("aria-pressed", String(on));
}

function state() {
  $("#move").disabled = $("#split").disabled = chosen.size === 0;
  $("#save").disabled = moved.size === 0;
  $("#tools").hidden = chosen.size === 0 && moved.size === 0;
  $("#chosen").textContent = chosen.size ? t("data.chosen", { n: chosen.size }) : moved.size ? t(moved.size === 1 ? "data.changed.one" : "data.changed", { n: moved.size }) : "";
}

async function parts(fresh) {
  if (fresh) { page = 0; $("#parts").replaceChildren(); }
  const found = await ask(`/v1/data/parts?page=${page}&find=${encodeURIComponent($("#find").value.trim())}`);
  page += 1;
  $("#parts").append(...found.parts.map((one) => group(one.part, one.photographs)));
  $("#more").hidden = !found.more;
}

$("#more").addEventListener("click", () => trying(() => parts(false)));
let waiting = 0;
$("#find").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(() => trying(() => parts(true)), 250); });
$("#move").addEventListener("click", () => ask_where(!asking));
$("#split").addEventListener("click", split);
$("#save").addEventListener("click", () => trying(async () => {
  const found = await ask("/v1/data/groups", { moved: Object.fromEntries(moved) });
  toast(t("data.saved", { path: found.path }));
  $("#apply").hidden = false;
  $("#apply").focus();
}));
$("#apply").addEventListener("click", () => trying(async () => {
  await ask("/v1/data/apply", {});
  const job = await follow("groups", () => { $("#apply").disabled = true; });
  $("#apply").disabled = false;
  if (job.error) { toast(job.error, true); return; }
  moved.clear();
  $("#apply").hidden = true;
  toast(t("data.applied"));
  await Promise.all([overview(), parts(true)]);
  state();
}));
$("#suspects-start").addEventListener("click", () => trying(async () => { await ask("/v1/suspects", {}); await suspects(); }));
keys({
  m: () => { if (chosen.size) { ask_where(true); $("#parts .group button.quiet")?.focus(); } },
  s: split, v: () => { if (!$("#save").disabled) $("#save").click(); }, Escape: () => { ask_where(false); [...chosen][0]?.focus(); },
  ArrowLeft: (event) => arrow(-1, false), ArrowRight: (event) => arrow(1, false),
  ArrowUp: (event) => arrow(-1, true), ArrowDown: (event) => arrow(1, true),
});

state();
if ((await ask("/v1/jobs/suspects")).running) trying(suspects);
await trying(async () => { await Promise.all([overview(), parts(true)]); });
document.body.dataset.ready = "yes";
