// A part of a page, fetched again: what goes on shows by itself, and choices show what they would do.
let turn = 0;
const show = async (id, url) => {
  const mine = ++turn;
  try {
    const page = await fetched(url, {refusals: true}), part = page.getElementById(id);
    if (mine !== turn) return;
    if (!part) return location.assign(url);
    swap(document.getElementById(id), part);
    document.title = page.title;
    if (!part.dataset.again) say(part.querySelector("h1, .big-line, .said")?.textContent);
  } catch {}  // it is fetched again, or the next choice does
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
