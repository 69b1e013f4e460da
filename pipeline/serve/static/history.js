// Verdicts over time, the latest ones, and the corrections.
import { $, ask, el, follow, icon, percent, svg, t, thumbnail, toast, trying, when } from "./common.js";

const model = await ask("/v1/model");
let before = 0;
const page = 25;

async function counts() {
  const by = $("input[name=by]:checked").value;
  const { spans } = await ask(`/v1/history?by=${by}&count=${by === "hour" ? 24 : 30}`);
  const sum = (name) => spans.reduce((total, span) => total + span[name], 0);
  const total = sum("total");
  const share = (name) => (total ? percent(sum(name) / total, 1) : "–");
  const tile = (name, value, kind) => el(`div.tile${kind ? `.k-${kind}` : ""}`, {}, el("b", {}, value), el("span", {}, t(`history.${name}`)));
  const tiles = [tile("total", String(total), "")];
  if (model.defective !== null) tiles.push(tile("reject", share("rejected"), "reject"));
  tiles.push(tile("review", share("review"), "review"), tile("unlike", share("unlike"), "class"));
  if (sum("unreadable")) tiles.push(tile("unreadable", share("unreadable"), "unreadable"));
  $("#tiles").replaceChildren(...tiles);
  chart(spans, by);
  table(spans, by);
}

const label = (start, by) => new Date(1000 * start).toLocaleString(undefined, by === "hour" ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" });

function chart(spans, by) {
  const width = Math.max(280, $("#chart").clientWidth), height = 210, left = 34, bottom = 24, top = 8;
  const every = Math.ceil(spans.length / (width / 90)); // labels that have room
  const highest = Math.max(4, ...spans.map((span) => span.total));
  const scale = (value) => (value / highest) * (height - bottom - top);
  const step = (width - left) / spans.length;
  const total = spans.reduce((sum, span) => sum + span.total, 0);
  const made = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": t("history.chart", {
    total, reject: spans.reduce((sum, span) => sum + span.rejected, 0), review: spans.reduce((sum, span) => sum + span.review, 0) }) });
  for (const value of [0, Math.round(highest / 2), highest]) {
    const y = height - bottom - scale(value);
    made.append(svg("line", { x1: left, x2: width, y1: y, y2: y, class: "grid" }), svg("text", { x: left - 6, y: y + 4, class: "axis", "text-anchor": "end" }, String(value)));
  }
  spans.forEach((span, number) => {
    const passed = span.total - span.rejected - span.review - span.unreadable;
    let y = height - bottom;
    for (const [name, value] of [["pass", passed], ["review", span.review], ["reject", span.rejected], ["unreadable", span.unreadable]]) {
      if (!value) continue;
      y -= scale(value);
      made.append(svg("rect", { x: left + number * step + 2, y, width: Math.max(2, step - 4), height: scale(value), class: `bar-${name}` }));
    }
    if (number % every === 0) made.append(svg("text", { x: left + (number + 0.5) * step, y: height - 6, class: "axis", "text-anchor": "middle" }, label(span.start, by)));
  });
  $("#chart").replaceChildren(made);
}

function table(spans, by) {
  const names = ["total", "rejected", "review", "unlike", "unreadable"];
  const titles = ["history.total", "history.reject", "history.review", "history.unlike", "history.unreadable"];
  $("#table").replaceChildren(el("thead", {}, el("tr", {}, el("th", {}, t("history.time")), ...titles.map((name) => el("th.n", {}, t(name))))),
    el("tbody", {}, ...spans.filter((span) => span.total).map((span) => el("tr", {}, el("td", {}, label(span.start, by)), ...names.map((name) => el("td.n", {}, String(span[name])))))));
}

const word = (one) => (one.kind === "class" ? one.verdict : t(`verdict.${one.kind}`));

function verdictRow(one) {
  const row = el(`button.row.k-${one.kind}`, { "aria-expanded": "false" },
    thumbnail(one.kind === "unreadable" ? "" : one.digests[0]),
    el("span.grow", {}, el("b", {}, word(one)), `${one.part} · ${when(one.time)}${one.probability === null ? "" : ` · ${percent(one.probability)}`}${one.unlike ? ` · ${t("history.unlike")}` : ""}`),
    icon(one.kind));
  if (one.kind === "unreadable") { row.disabled = true; return row; }
  const box = el("div");
  row.addEventListener("click", () => {
    const open = box.childElementCount > 1;
    row.setAttribute("aria-expanded", String(!open));
    if (open) box.lastChild.remove(); else box.append(choices(one, box, row));
  });
  box.append(row);
  return box;
}

function choices(one, box, row) {
  const say = (judgement, given) => trying(async () => {
    const made = await ask("/v1/corrections", { id: one.id, judgement, label: given });
    box.lastChild.remove();
    row.setAttribute("aria-expanded", "false");
    row.focus();
    toast(made.label ? t("correct.kept", { label: made.label }) : t("correct.kept.unsure"));
    corrections();
  });
  const buttons = model.labels.map((name) => el("button.quiet", { onclick: () => say(one.kind === "review" || (model.class_of[name] ?? name) === one.verdict ? "right" : "wrong", name) }, name));
  buttons.push(el("button.quiet", { onclick: () => say("unsure", "") }, t("correct.unsure")));
  return el("div.choices", {}, el("span", {}, t("correct.which")), ...buttons);
}

async function latest() {
  const { verdicts } = await ask(`/v1/verdicts?count=${page}&before=${before}`);
  before += verdicts.length;
  $("#latest").append(...verdicts.map(verdictRow));
  $("#more").hidden = verdicts.length < page;
  if (!before) $("#latest").replaceChildren(el("p.small", {}, t("history.none")));
}

async function corrections() {
  const { corrections: found } = await ask("/v1/corrections?count=50");
  const kind = (one) => (one.judgement === "unsure" ? "review" : one.judgement === "right" ? "pass" : "reject");
  $("#corrections").replaceChildren(...(found.length ? found.map((one) => el(`div.row.k-${kind(one)}`, {},
    thumbnail(one.digests[0]),
    el("span.grow", {}, el("b", {}, one.label || t("correct.unsure")), [one.part, t(`correct.${one.judgement}`), one.by, one.note].filter(Boolean).join(" · ")),
    el("button.quiet", { onclick: () => trying(async () => { await ask(`/v1/corrections/${one.id}/undo`, {}); toast(t("correct.undone")); await corrections(); ($("#corrections button") ?? $("#main")).focus(); }) }, t("common.undo"))))
    : [el("p.small", {}, t("history.corrections.none"))]));
}

async function drift() {
  const job = await follow("drift", (one) => {
    $("#drift-start").disabled = one.running;
    $("#drift-start").textContent = one.running ? t("history.drift.running") : t("history.drift.start");
  });
  const found = job.result;
  if (!job.error && !found) return; // nothing was judged yet
  const tested = found && Object.keys(found.p_values).length > 0;
  const text = job.error ? t("history.drift.failed", { error: job.error }) : t(`history.drift.${found.drifted ? "yes" : tested ? "no" : "few"}`);
  $("#drift-says").hidden = false;
  $("#drift-says").textContent = text + (found?.since ? ` ${t("history.drift.since", { since: when(found.since) })}` : "");
  $("#drift-says").className = `strong ${found?.drifted ? "f-worse" : tested ? "f-better" : ""}`;
  $("#drift-asked").textContent = !found ? "" : t("history.drift.asked", { when: when(job.ended) });
  $("#drift-list").replaceChildren(...(found?.said ?? []).map((line) => el("li", {}, line)));
  $("#drift-examples").replaceChildren(...(found?.examples ?? []).map((digest) => el("span.thumb", {}, thumbnail(digest))));
}

$("#drift-start").addEventListener("click", () => trying(async () => { await ask("/v1/drift", {}); await drift(); }));
trying(async () => { await ask("/v1/drift", { fresh: true }); await drift(); });

let drawn = 0;
addEventListener("resize", () => { clearTimeout(drawn); drawn = setTimeout(() => trying(counts), 200); });
for (const radio of document.querySelectorAll("input[name=by]")) radio.addEventListener("change", () => trying(counts));
$("#more").addEventListener("click", () => trying(latest));
await trying(async () => { await Promise.all([counts(), latest(), corrections()]); });
document.body.dataset.ready = "yes";
