// Passkeys: a form with `data-passkey` is sent with what the authenticator answers to the options of its address.
const offers = window.PublicKeyCredential?.parseRequestOptionsFromJSON !== undefined;
const AUTOFILL_MS = 240_000;
const SAYS = { NotAllowedError: "cancelled", InvalidStateError: "known", NotSupportedError: "unsupported", SecurityError: "unsupported" };
let asking, isQuiet = false;

// `mediation`: conditional for what waits in the list of a field until somebody chooses it there.
const ask = async (form, mediation) => {
  asking?.abort();
  const { signal } = asking = new AbortController();
  isQuiet = mediation !== undefined;
  const answer = await fetch(`${form.getAttribute("action")}/options`, { method: "POST", body: new URLSearchParams(new FormData(form)), signal });
  if (answer.redirected) return location.assign(answer.url);
  const options = await answer.json(), of = PublicKeyCredential;
  const made = form.dataset.passkey === "add"
    ? await navigator.credentials.create({ publicKey: of.parseCreationOptionsFromJSON(options), signal })
    : await navigator.credentials.get({ publicKey: of.parseRequestOptionsFromJSON(options), mediation, signal });
  form.elements.credential.value = JSON.stringify(made.toJSON());
  form.submit();
};
// What waits quietly complains of nothing; the button says what is wrong.
const offer = form => ask(form, "conditional").catch(() => {});

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const words = form.parentElement.querySelector("[role=status]"), button = form.querySelector("button");
  const fills = offers && form.dataset.passkey === "sign-in" && await PublicKeyCredential.isConditionalMediationAvailable?.();
  if (!offers) {
    button.disabled = true;
    words.textContent = words.dataset.unsupported;
  }
  form.addEventListener("submit", event => {
    event.preventDefault();
    words.textContent = "";
    button.disabled = true;
    ask(form).catch(error => {
      if (error.name !== "AbortError") words.textContent = words.dataset[SAYS[error.name] ?? "failed"];
      if (fills) offer(form);
    }).finally(() => { button.disabled = false; });
  });
  if (!fills) continue;
  offer(form);
  setInterval(() => { if (isQuiet) offer(form); }, AUTOFILL_MS);  // a challenge lasts five minutes
}
