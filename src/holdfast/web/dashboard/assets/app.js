// What makes pages quicker. None of them needs it.
const root = document.documentElement;
const said = document.getElementById("said");

// The theme: as the system has it, light, dark. Kept by the server for who is signed in, before that by the browser.
const themes = ["auto", "light", "dark"];
const theme = () => root.dataset.theme ?? "auto";
if ("kept" in root.dataset) localStorage.setItem("theme", theme());
const saved = localStorage.getItem("theme");
if (saved && themes.includes(saved) && saved !== "auto") root.dataset.theme = saved;
document.getElementById("theme")?.addEventListener("click", event => {
  const next = themes[(themes.indexOf(theme()) + 1) % themes.length];
  if (next === "auto") delete root.dataset.theme; else root.dataset.theme = next;
  localStorage.setItem("theme", next);
  const token = event.currentTarget.dataset.token;
  if (token) fetch("/account/preferences/theme", { method: "POST", body: new URLSearchParams({ form_token: token, theme: next }) });
  if (said) said.textContent = event.currentTarget.dataset[next] ?? next;
});
// The tab that is open is in sight. Not by scrollIntoView: the first press of Tab would go on from there.
const tab = document.querySelector(".tabs [aria-current]"), tabs = tab?.parentElement;
if (tab) tabs.scrollLeft = Math.max(0, tab.offsetLeft + tab.offsetWidth - tabs.offsetLeft - tabs.clientWidth);
