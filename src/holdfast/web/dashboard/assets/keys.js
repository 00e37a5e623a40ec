// Keys: off in fields and with a modifier, and altogether for who wants that. `?` shows them.
const keys = document.getElementById("keys");
const switches = [...document.querySelectorAll(".keys-on")];
const GO_MS = 1500;
let goes = 0;

const keysOn = () => localStorage.getItem("keys") !== "off";
for (const one of switches) {
  one.checked = keysOn();
  one.addEventListener("change", () => {
    localStorage.setItem("keys", one.checked ? "on" : "off");
    for (const other of switches) other.checked = one.checked;
  });
}
document.getElementById("show-keys")?.addEventListener("click", () => keys.showModal());
document.getElementById("close-keys")?.addEventListener("click", () => keys.close());

const rows = () => [...document.querySelectorAll("article.row .name")];
const step = by => {
  const all = rows(), now = all.indexOf(document.activeElement?.closest("article.row")?.querySelector(".name"));
  const next = all[now < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, now + by))];
  next?.focus();
};
const inRow = what => (document.activeElement?.closest("article.row") ?? document).querySelector(what);
const actions = {
  j: () => step(1),
  k: () => step(-1),
  d: () => inRow("a[download]")?.click(),
  r: () => inRow('a[href*="/restore"]')?.click(),
  b: () => document.querySelector('[data-key="b"] button')?.focus(),
  "/": () => document.querySelector('input[type="search"]')?.focus(),
  g: () => { goes = Date.now(); },
  "?": () => keys?.showModal(),
};
const inField = one => one?.matches?.("input, textarea, select, [contenteditable]");

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || !keys || !keysOn()) return;
  if (inField(event.target) || document.querySelector("dialog[open]")) return;
  const going = Date.now() - goes < GO_MS && document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
  goes = 0;
  if (going) { event.preventDefault(); going.click(); return; }
  const action = Object.hasOwn(actions, event.key) && actions[event.key];
  if (action) { event.preventDefault(); action(); }
});
