// What makes pages quicker. None of them needs it.
const root = document.documentElement;
const said = document.getElementById("said");

// The theme: as the system has it, light, dark.
const themes = ["auto", "light", "dark"];
const theme = () => root.dataset.theme ?? "auto";
const saved = localStorage.getItem("theme");
if (saved && themes.includes(saved) && saved !== "auto") root.dataset.theme = saved;
document.getElementById("theme")?.addEventListener("click", event => {
  const next = themes[(themes.indexOf(theme()) + 1) % themes.length];
  if (next === "auto") delete root.dataset.theme; else root.dataset.theme = next;
  localStorage.setItem("theme", next);
  if (said) said.textContent = event.currentTarget.dataset[next] ?? next;
});
document.querySelector(".tabs [aria-current]")?.scrollIntoView({inline: "nearest", block: "nearest"});

// A part of a page, fetched again: what goes on shows by itself, and choices show what they would do. The focus stays.
const fetched = url => new Promise((done, failed) => {
  const request = new XMLHttpRequest();
  request.open("GET", url);
  request.responseType = "document";
  request.onload = () => request.response ? done(request.response) : failed();
  request.onerror = failed;
  request.send();
});
let turn = 0;
const show = async (id, url) => {
  const mine = ++turn;
  try {
    const page = await fetched(url), part = page.getElementById(id);
    if (mine !== turn) return;
    if (!part) return location.assign(url);
    const focused = document.activeElement, index = [...document.getElementById(id).querySelectorAll("a, button, summary")].indexOf(focused);
    const open = [...document.querySelectorAll(`#${id} details[open] > summary`)].map(one => one.textContent);
    document.getElementById(id).replaceWith(part);
    for (const one of part.querySelectorAll("details > summary")) if (open.includes(one.textContent)) one.parentElement.open = true;
    if (index >= 0) part.querySelectorAll("a, button, summary")[index]?.focus();
    document.title = page.title;
    if (said && !part.dataset.again) said.textContent = part.querySelector("h1, .big-line")?.textContent ?? "";
  } catch {}
  if (mine === turn) goOn(id);
};
const goOn = id => {
  const seconds = document.getElementById(id)?.dataset.again;
  if (seconds) setTimeout(() => show(id, location.href), 1000 * seconds);
};
for (const one of document.querySelectorAll("[data-again]")) goOn(one.id);
for (const form of document.querySelectorAll("form[data-at-once]")) form.addEventListener("change", () => {
  const url = `${form.getAttribute("action")}?${new URLSearchParams(new FormData(form))}`;
  history.replaceState(null, "", url);
  show(form.dataset.atOnce, url);
});
