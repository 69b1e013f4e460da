// Learn from the corrections, see old beside new, and decide.
import { $, ask, el, follow, percent, t, thumbnail, toast, trying } from "./common.js";

let made = null;
let refusal = null; // why the active model cannot be refitted

async function allowed() {
  refusal = (await ask("/v1/model")).no_refit;
  $("#refused").hidden = !refusal;
  $("#refused").textContent = refusal ?? "";
  $("#start").disabled = Boolean(refusal);
}

async function count() {
  const { fresh } = await ask("/v1/corrections?count=0");
  $("#count").textContent = fresh === 0 ? t("refit.count.none") : fresh === 1 ? t("refit.count.one") : t("refit.count", { n: fresh });
  return fresh;
}

function progress(job) {
  $("#progress").hidden = !job.running;
  $("#start").disabled = job.running || Boolean(refusal);
  $("#stage").textContent = t(`refit.stage.${job.stage}`);
  const bar = $("#bar");
  if (job.total > 0) bar.value = job.done / job.total; else bar.removeAttribute("value");
}

async function watch() {
  const job = await follow("refit", progress);
  $("#failed").hidden = !job.error;
  if (job.error) $("#failed").textContent = t("refit.failed", { error: job.error });
  await models();
  if (!job.result) return;
  outcome(job);
  $("#outcome").focus(); // at once: what scrolls later moves a button away from under a finger
}

function outcome(job) {
  made = job.result;
  $("#outcome").hidden = false;
  $("#done").textContent = t("refit.done", { seconds: (job.ended - job.started).toFixed(0) });
  $("#tables").replaceChildren(
    comparison(t("refit.held_out"), "", made.held_out),
    comparison(t("refit.on_corrections"), t("refit.on_corrections.lead"), made.on_corrections));
  $("#report").href = `/v1/models/${made.fingerprint}/report`;
  $("#report").hidden = !made.report;
  $("#start").textContent = t("refit.again");
  $("#start").classList.remove("primary");
}

function comparison(title, lead, found) {
  const panel = el("section.panel", {}, el("h3", {}, title), lead ? el("p.small", {}, lead) : null,
    el(`p.finding.f-${found.finding}`, {}, t(`refit.finding.${found.finding}`)));
  if (found.finding === "none") return panel;
  const names = found.defective ? ["right", "missed", "false_alarms", "review"] : ["right", "wrong", "review"];
  const rows = names.map((name) => el("tr", {}, el("th", { scope: "row" }, t(`refit.${name}`)),
    el("td.n", {}, String(found.old[name])), el("td.n", {}, String(found.new[name]))));
  rows.push(el("tr", {}, el("th", { scope: "row" }, t("refit.score")),
    el("td.n", {}, percent(found.old.score, 1)), el("td.n", {}, percent(found.new.score, 1))));
  panel.append(el("table", {}, el("thead", {}, el("tr", {}, el("th", {}, found.parts === 1 ? t("refit.part") : t("common.parts", { n: found.parts })),
    el("th.n", {}, t("refit.active")), el("th.n", {}, t("refit.new")))), el("tbody", {}, ...rows)));
  const sign = (value) => (value > 0 ? "+" : "") + percent(value, 1);
  panel.append(el("p.small", {}, t("refit.difference", { difference: sign(found.difference), low: sign(found.low), high: sign(found.high) })));
  if (found.changed.length) {
    panel.append(el("details.more", { open: found.changed.length <= 4 }, el("summary", {}, `${t("refit.changed")} (${found.changed.length})`),
      ...found.changed.map((one) => el("div.row", {},
        thumbnail(one.digest),
        el("span.grow", {}, el("b", {}, one.part), t("refit.changed.truth", one))))));
  }
  return panel;
}

async function use(fingerprint, said) {
  for (const button of document.querySelectorAll("#models button, #use, #keep")) button.disabled = true;
  await trying(async () => {
    await ask(`/v1/models/${fingerprint}/activate`, {});
    toast(said);
    $("#outcome").hidden = true;
    $("footer span").textContent = t("common.model", { model: fingerprint });
    await Promise.all([allowed(), count(), models()]);
    $("#main").focus({ preventScroll: true });
  });
  for (const button of document.querySelectorAll("#models button, #use, #keep")) button.disabled = false;
}

async function models() {
  const { models: found } = await ask("/v1/models");
  $("#models").replaceChildren(...found.map((one) => {
    const n = one.story.corrected_photographs;
    const story = n ? t(n === 1 ? "refit.models.refit.one" : "refit.models.refit", { n }) : t("refit.models.first");
    const score = one.holdout.balanced_accuracy;
    const worth = score ? t(`refit.models.score${one.proposed ? ".proposed" : ""}`, { score: percent(score.value, 1), parts: one.holdout.parts }) : "";
    const row = el(`div.row${one.active ? ".active" : ""}`, {}, el("span.grow", {},
      el("b", {}, new Date(one.created).toLocaleString()), `${story} · ${worth}`, el("p.small", {}, `${one.fingerprint} · ${one.title}`)));
    if (one.report) row.append(el("a.quiet.link", { href: `/v1/models/${one.fingerprint}/report`, target: "_blank", rel: "noopener" }, t("refit.models.report")));
    if (one.active) row.append(el("span.badge", {}, t("refit.models.active")));
    else {
      const button = el("button.quiet", {}, t("refit.models.use"));
      button.addEventListener("click", () => {
        if (button.dataset.sure) { use(one.fingerprint, t("refit.models.used")); return; }
        button.dataset.sure = "yes";
        button.textContent = t("refit.models.sure");
        setTimeout(() => { delete button.dataset.sure; button.textContent = t("refit.models.use"); }, 4000);
      });
      row.append(button);
    }
    return row;
  }));
}

$("#start").addEventListener("click", () => trying(async () => {
  $("#outcome").hidden = true;
  await ask("/v1/refit", {});
  await watch();
}));
$("#use").addEventListener("click", () => use(made.fingerprint, t("refit.used")));
$("#keep").addEventListener("click", () => { $("#outcome").hidden = true; });

await trying(async () => { await allowed(); await count(); await models(); });
const job = await ask("/v1/jobs/refit");
if (job.running) watch();
else if (job.result && !(await ask("/v1/models")).models.find((one) => one.fingerprint === job.result.fingerprint)?.active) outcome(job);
document.body.dataset.ready = "yes";
