// What the pages do beyond HTML: they show changes by themselves, send small forms in place, and listen to keys.
// Without this script every page and every form still works.
import { draw } from "./charts.js";

const body = document.body;
const here = () => document.querySelector("[data-row].here");
const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
const parts = () => [...document.querySelectorAll("[data-part]")];
const served = new WeakMap(parts().map((part) => [part, part.innerHTML]));

// ---------------------------------------------------------------- saying what happened

let hush;
function toast(words) {
  const box = document.getElementById("toast");
  box.textContent = words;
  box.classList.add("shown");
  clearTimeout(hush);
  hush = setTimeout(() => box.classList.remove("shown"), 4000);
}

function told(problem) {
  return typeof problem?.detail === "string" ? `${body.dataset.failed}: ${problem.detail}` : body.dataset.failed;
}

// ---------------------------------------------------------------- showing changes

function dress(root) {
  for (const at of root.querySelectorAll("time[datetime]")) at.title = new Date(at.dateTime).toLocaleString();
}

function busy(part) {
  const at = document.activeElement;
  return part.contains(at) && /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName) && at.type !== "hidden";
}

function swap(part, fresh) {
  const known = new Set([...part.querySelectorAll("[data-id]")].map((row) => row.dataset.id));
  const open = [...part.querySelectorAll("details[open][id]")].map((one) => one.id);
  const selected = here();
  const [id, place] = [selected?.dataset.id, rows().indexOf(selected)];
  const html = fresh.innerHTML;
  part.className = fresh.className;
  part.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
  served.set(part, html);
  for (const one of open) document.getElementById(one)?.setAttribute("open", "");
  for (const row of part.querySelectorAll("[data-id]")) if (!known.has(row.dataset.id)) row.classList.add("fresh");
  if (selected && !selected.isConnected) {
    const again = id && rows().find((row) => row.dataset.id === id);
    select(again ?? rows()[Math.min(place, rows().length - 1)]);
  }
  dress(part);
  draw(part);
}

let asking = false, askAgain = false;
async function refresh() {
  if (asking) { askAgain = true; return; }
  asking = true;
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (answer.redirected && new URL(answer.url).pathname === "/login") { location.reload(); return; }
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    for (const part of parts()) {
      const other = fresh.getElementById(part.id);
      if (other && other.innerHTML !== served.get(part) && !busy(part)) swap(part, other);
    }
  } catch {
    toast(body.dataset.offline);
  } finally {
    asking = false;
    if (askAgain) { askAgain = false; refresh(); }
  }
}

let source, rung = body.dataset.rung;
const still = document.querySelector("[data-still]"); // of a page that alerts do not change
function listen() {
  if (!body.dataset.live || source) return;
  const light = document.getElementById("live");
  const shine = (on) => { light?.classList.toggle("on", on); light?.classList.toggle("off", !on); };
  source = new EventSource(body.dataset.live);
  source.addEventListener("hello", (event) => {
    shine(true);
    if (event.data !== rung && !still) refresh();
    rung = event.data;
  });
  source.addEventListener("changed", (event) => { rung = event.data; if (!still) refresh(); });
  source.addEventListener("error", () => shine(false));
}

// A browser has few connections to a server: a page that nobody looks at gives its own back.
function mind() {
  if (!document.hidden) { listen(); return; }
  source?.close();
  source = undefined;
}
document.addEventListener("visibilitychange", mind);
addEventListener("pagehide", () => { source?.close(); source = undefined; });
addEventListener("pageshow", mind);

const seconds = Math.min(...parts().map((part) => Number(part.dataset.refresh || Infinity)));
if (Number.isFinite(seconds)) setInterval(() => { if (!document.hidden) refresh(); }, 1000 * seconds);

// ---------------------------------------------------------------- forms in place

async function send(form, submitter) {
  const buttons = form.querySelectorAll("button");
  const fields = new URLSearchParams(new FormData(form, submitter));
  for (const button of buttons) button.disabled = true;
  try {
    return await fetch(form.action, { method: "POST", body: fields, headers: { "x-fragment": "1", accept: "application/json" } });
  } catch {
    toast(body.dataset.offline);
    return null;
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

async function quietly(form, submitter) {
  if (form.dataset.sure && !confirm(form.dataset.sure)) return;
  const answer = await send(form, submitter);
  if (!answer) return;
  if (answer.status === 401) { location.reload(); return; }
  if (!answer.ok) { toast(told(await answer.json().catch(() => null))); refresh(); return; }
  if ("clear" in form.dataset) form.reset();
  form.closest("details.fold")?.removeAttribute("open");
  if (form.contains(document.activeElement)) document.activeElement.blur();
  toast(body.dataset.done);
  refresh();
}

async function explain(form) {
  const shown = form.nextElementSibling;
  if (shown?.classList.contains("explained")) { shown.remove(); return; }
  const works = document.createElement("span");
  works.className = "works";
  works.role = "status";
  form.append(works);
  works.textContent = body.dataset.works; // said once it stands in the page
  const answer = await send(form);
  works.remove();
  if (!answer) return;
  if (!answer.ok) { toast(told(await answer.json().catch(() => null))); return; }
  const part = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".explained");
  if (part) form.after(document.importNode(part, true));
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if ("quiet" in form.dataset) { event.preventDefault(); quietly(form, event.submitter); }
  if ("explain" in form.dataset) { event.preventDefault(); explain(form); }
});

// ---------------------------------------------------------------- keys

function select(row) {
  here()?.classList.remove("here");
  if (!row) return;
  row.classList.add("here");
  row.scrollIntoView({ block: "nearest" });
}

function step(by) {
  const all = rows(), at = all.indexOf(here());
  select(all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + by))]);
}

function press(key) {
  const row = here() ?? document.getElementById("state");
  const found = row?.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (found?.tagName === "FORM") found.requestSubmit();
  else if (found?.form) found.form.requestSubmit(found);
  else if (row) refuse(row, key);
  return Boolean(found);
}

function refuse(row, key) {
  const why = row.getAttribute(`data-not-${key}`);
  if (why) toast(`${body.dataset.failed}: ${why}`);
}

const places = { t: "/", a: "/alerts", r: "/review", s: "/system", l: "/lists", w: "/why" };
let going = 0;
function key(name) {
  if (Date.now() < going && places[name]) { location.href = places[name]; return true; }
  going = name === "g" ? Date.now() + 1200 : 0;
  if (name === "g") return true;
  if (name === "j" || name === "k") { step(name === "j" ? 1 : -1); return true; }
  if (name === "o" || name === "Enter") {
    const link = here()?.querySelector("a[data-open]") ?? here()?.querySelector("a.name");
    link?.click();
    return Boolean(link);
  }
  if (name === "?") { document.getElementById("keys").showModal(); return true; }
  if (name === "/") {
    const field = document.getElementById("question");
    if (field) field.focus();
    else location.href = "/ask";
    return true;
  }
  return /^[are1234]$/.test(name) && press(name);
}

document.addEventListener("keydown", (event) => {
  const at = event.target;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName)) { if (event.key === "Escape") at.blur(); return; }
  if (event.key === "Enter" && at !== body) return; // what has the focus knows better
  if (key(event.key)) event.preventDefault();
});
document.getElementById("help")?.addEventListener("click", () => document.getElementById("keys").showModal());

dress(document);
document.querySelector("#nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
mind();
document.addEventListener("DOMContentLoaded", () => draw(document));
