// Live: pages that have `data-live` change by themselves. HTML is made by the server only; here its parts are put in.
// One tab of a browser (the leader) has the stream, and passes what it hears on to the others.
const POLL_MS = 10000, FIGURES_MS = 5000, OFFLINE_MS = 5000, SETTLE_MS = 150;
const live = document.querySelector("main[data-live]");
const say = text => { if (said && text) said.textContent = text; };
const wait = ms => new Promise(done => setTimeout(done, ms));

// Whoever sends a form is on the way to another page: nothing may load this one again meanwhile.
let leaving = false;
document.addEventListener("submit", () => { leaving = true; wait(POLL_MS).then(() => { leaving = false; }); });

// A page or a part of one, parsed and never run.
const policy = window.trustedTypes?.createPolicy("holdfast", {createHTML: html => html}) ?? {createHTML: html => html};
const fetched = async (url, {refusals = false} = {}) => {
  const answer = await fetch(url, {headers: {accept: "text/html"}});
  // Signed out, or gone: the page itself says so.
  if (!leaving && (answer.status === 401 || answer.status === 404)) location.reload();
  if (!answer.ok && !(refusals && answer.status < 500)) throw new Error(answer.statusText);
  return new DOMParser().parseFromString(policy.createHTML(await answer.text()), "text/html");
};

// Put a part in the place of an older one: what had the focus has it still, what was open stays open.
const FOCUSABLE = "a[href], button, summary, input:not([type=hidden]), select, textarea, pre, h1, h2";
const nameOf = one => one.id || one.getAttribute("href") || one.closest("form")?.getAttribute("action") || one.textContent.trim();
const swap = (old, part) => {
  const focused = old.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  const written = [...old.querySelectorAll("input:not([type=hidden])")].map(one => [one.id, one.value]);
  const open = [...old.querySelectorAll("details[open] > summary")].map(nameOf);
  old.replaceWith(part);
  for (const one of part.querySelectorAll("details > summary")) if (open.includes(nameOf(one))) one.parentElement.open = true;
  for (const [id, value] of written) { const field = id && part.querySelector(`#${id}`); if (field) field.value = value; }
  if (focused === null) return;
  const again = [...part.querySelectorAll(FOCUSABLE)].find(one => nameOf(one) === focused);
  const target = again ?? part.querySelector("h1, .name, h2") ?? live;
  if (target.matches("h1, h2")) target.tabIndex = -1;
  target.focus({preventScroll: true});
};

// Put in all parts of a page. One that is new stands behind the part that it follows; one that is gone goes.
const swapAll = (page, {removes}) => {
  let before = null;
  const parts = [...page.querySelectorAll("[data-part]")];
  for (const part of parts) {
    const old = document.getElementById(part.id);
    if (old) swap(old, part); else if (before) before.after(part); else live.prepend(part);
    before = part;
  }
  const ids = parts.map(part => part.id);
  if (removes) for (const old of document.querySelectorAll("[data-part]")) if (!ids.includes(old.id)) old.remove();
  headed();
};
const refresh = async () => {
  const page = await fetched(location.href);
  document.title = page.title;
  swapAll(page, {removes: true});
};

// The headline is said when it is another one, and at 25, 50 and 75 %.
const headline = () => document.querySelector("main h1");
const wordsOf = text => text.replace(/\d+/g, "");
let heard = headline()?.textContent ?? "", quarter = 0;
const isNow = text => {
  if (document.title.startsWith(heard)) document.title = text + document.title.slice(heard.length);
  heard = text;
};
const headed = () => {
  const text = headline()?.textContent ?? "";
  if (wordsOf(text) !== wordsOf(heard)) { say(text); quarter = 0; }
  isNow(text);
};

const progressed = ({bytes, total_bytes: total}) => {
  const bar = document.querySelector("main progress.going");
  if (!bar || !total) return false;
  const percent = Math.min(100, Math.floor(100 * bytes / total)), text = heard.replace(/\d+(?=\s?%)/, percent);
  bar.value = percent;
  bar.setAttribute("aria-label", text);
  headline().textContent = text;
  isNow(text);
  if (Math.floor(percent / 25) > quarter) { quarter = Math.floor(percent / 25); if (percent < 100) say(text); }
  return true;
};

// What happened, gathered for a moment: a backup that ends tells of itself more than once.
let changes = new Set(), settling = false, figuresAt = 0;
const hero = async () => swapAll(await fetched(`/apps/${live.dataset.live}/hero`), {removes: false});
const row = async id => {
  const old = document.getElementById(`backup-${id}`), page = await fetched(`/apps/${live.dataset.live}/backups/${id}/row`);
  const part = page.querySelector("article");
  if (old && part) swap(old, part);
};
const settle = async () => {
  if (settling) return;
  settling = true;
  do await wait(SETTLE_MS); while (leaving);
  const ids = [...changes];
  changes = new Set();
  settling = false;
  const isRow = id => id && document.getElementById(`backup-${id}`);
  try {
    if (!document.getElementById("hero") || ids.includes("all") || (ids.some(id => !isRow(id)) && "newest" in live.dataset)) await refresh();
    else { await hero(); await Promise.all(ids.filter(isRow).map(row)); }
  } catch { changes.add("all"); }
};
const changed = id => { changes.add(id); settle(); };

const happened = (kind, {app_id, backup_id, job_id, data}) => {
  if (kind === "gap") return changed("all");
  if (live.dataset.live && app_id !== live.dataset.live) return;
  if (kind !== "progress") return changed(/deleted|gone|undeleted/.test(kind) ? "all" : backup_id ?? "all");
  if ("job" in live.dataset ? job_id !== live.dataset.job : data.kind !== "backup" && data.kind !== "restore") return;
  if (progressed(data.progress) && Date.now() - figuresAt < FIGURES_MS) return;
  figuresAt = Date.now();
  if (document.getElementById("hero")) hero().catch(() => {}); else if ("job" in live.dataset) changed(job_id);
};

// Not connected: said after a moment, as streams break off and go on all the time.
const bar = document.getElementById("offline");
let away = null;
const connected = is => {
  if (is) { clearTimeout(away); away = null; if (bar) bar.hidden = true; return; }
  const options = {hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: bar.dataset.zone};
  const at = new Date().toLocaleTimeString(root.lang, options);
  away ??= setTimeout(() => { bar.textContent = bar.dataset.text.replace("{at}", at); bar.hidden = false; }, OFFLINE_MS);
};

const follow = () => {
  const kinds = live.dataset.kinds.split(" ");
  const channel = new BroadcastChannel("holdfast-live");
  let seen = Number(live.dataset.seen), leads = false;
  const take = ({is, kind, data, at}) => {
    if (is === "on" || is === "off") connected(is === "on");
    if (is === "hello" && leads) channel.postMessage({is: "at", at: seen});
    if (is === "at" && at > seen) { seen = at; changed("all"); }  // what was told between this page and its script
    if (is === "event") { connected(true); seen = Math.max(seen, data.seq ?? 0); happened(kind, data); }
  };
  const tell = message => { channel.postMessage(message); take(message); };
  channel.onmessage = event => take(event.data);
  channel.postMessage({is: "hello"});
  const listen = () => {
    const source = new EventSource(`/live?after=${seen}`);
    source.onopen = () => tell({is: "on"});
    source.onerror = () => {
      tell({is: "off"});
      if (source.readyState !== EventSource.CLOSED) return;  // else it tries again by itself
      wait(POLL_MS).then(listen);
      refresh().catch(() => {});
    };
    for (const kind of kinds) source.addEventListener(kind, event => tell({is: "event", kind, data: JSON.parse(event.data)}));
  };
  navigator.locks.request("holdfast-live", () => { leads = true; listen(); return new Promise(() => {}); });
};

if (live && navigator.locks && window.BroadcastChannel) follow();
else if (live) setInterval(() => refresh().then(() => connected(true), () => connected(false)), POLL_MS);
