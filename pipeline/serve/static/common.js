// What every page uses: texts, requests, elements, messages. No framework, no other site.
export const texts = await (await fetch("/texts.json")).json();

export function t(key, values = {}) {
  let text = texts[key] ?? key;
  for (const [name, value] of Object.entries(values)) text = text.replaceAll(`{${name}}`, value);
  return text;
}

export const $ = (selector, root = document) => root.querySelector(selector);

// An element: el("p.small", {title: "x"}, "text", child). Text is text, never markup.
export function el(spec, properties = {}, ...children) {
  const [tag, ...classes] = spec.split(".");
  const made = document.createElement(tag || "div");
  made.className = classes.join(" ");
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.startsWith("data-") || name.startsWith("aria-") || name === "role") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const icon = (name) =>
  svg("svg", { viewBox: "0 0 64 64", "aria-hidden": "true" }, svg("use", { href: `/static/icons.svg#${name}` }));

export const picture = (digest, side = 160) => `/v1/photographs/${digest}?side=${side}`;

// A small picture of a photograph, or an empty place where there is none: never a broken one.
export function thumbnail(digest, side = 160, alt = "") {
  const none = () => el("span.blank", { "aria-hidden": "true" });
  if (!digest) return none();
  return el("img", { src: picture(digest, side), alt, draggable: false, onerror: (event) => event.target.replaceWith(none()) });
}

// What a label or a class counts as: pass or reject, or a class of several.
export function kindOf(model, label) {
  if (model.defective === null) return "class";
  return (model.class_of[label] ?? label) === model.defective ? "reject" : "pass";
}

export class Refused extends Error {}

export async function ask(path, body = undefined, method = undefined) {
  const options = { method: method ?? (body === undefined ? "GET" : "POST") };
  if (body instanceof FormData) options.body = body;
  else if (body !== undefined) {
    options.headers = { "content-type": "application/json" };
    options.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Refused(t("common.lost", { place: document.body.dataset.place }));
  }
  if (answer.status === 401) location.assign("/login");
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const error = new Refused(found.error ?? `${answer.status}`);
    error.status = answer.status;
    throw error;
  }
  return found;
}

export function toast(text, bad = false) {
  const made = el(`div.toast${bad ? ".bad" : ""}`, {}, text);
  $("#toasts").replaceChildren(made);
  setTimeout(() => made.remove(), bad ? 9000 : 4000);
}

export async function trying(work) {
  try {
    return await work();
  } catch (error) {
    toast(error.message, true);
    return undefined;
  }
}

export const percent = (value, digits = 0) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(digits)} %`);

export const when = (seconds) =>
  new Date(1000 * seconds).toLocaleString(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

// Keys that act on the page, unless a person types into a field.
export function keys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input[type=text], input[type=password], input[type=search], textarea")) return;
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    if (action && action(event) !== false) event.preventDefault();
  });
}

// Polls a job until it ends; calls show(job) each time.
export async function follow(name, show, pause = 400) {
  for (;;) {
    const job = await ask(`/v1/jobs/${name}`);
    show(job);
    if (!job.running) return job;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
