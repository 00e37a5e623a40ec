// An upload shows how far it is, and can be cancelled. Without this the form is sent as any other.
const shows = (one, is) => { if (one) one.hidden = !is; };
const upload = form => {
  const {going, looked, broken, cancelled} = form.dataset;
  const [bar, told] = form.querySelectorAll(".sending > *"), wrong = form.querySelector(".wrong");
  const cancel = form.querySelector("[data-cancel]"), send = form.querySelector(".btn.primary"), request = new XMLHttpRequest();
  const stay = event => event.preventDefault();
  let quarter = 0;
  const tell = (text, percent) => { bar.value = percent; told.textContent = text; };
  const ends = text => {
    removeEventListener("beforeunload", stay);
    for (const one of [bar.parentElement, cancel]) shows(one, false);
    send.disabled = false;
    wrong.textContent = text;
    shows(wrong, text);
    if (text) form.querySelector("[type=file]").focus();
  };
  request.upload.onprogress = ({loaded, total}) => {
    const percent = Math.floor(100 * loaded / total);
    if (loaded === total) return tell(looked, 100);
    bar.value = percent;
    if (Math.floor(percent / 5) > quarter || !told.textContent) { quarter = Math.floor(percent / 5); tell(going.replace("{percent}", percent), percent); }
  };
  request.onload = () => {
    ends("");
    if (request.status < 400) return location.assign(request.responseURL);
    const page = new DOMParser().parseFromString(policy.createHTML(request.responseText), "text/html");
    const part = page.getElementById(form.dataset.upload);
    if (!part) return ends(page.querySelector(".head")?.textContent.trim() || broken);
    swap(document.getElementById(part.id), part);
    part.querySelector("[type=file]")?.focus();
  };
  request.onerror = () => ends(broken);
  request.onabort = () => ends(cancelled);
  cancel.onclick = () => request.abort();
  request.open("POST", form.action);
  request.setRequestHeader("accept", "text/html");
  request.send(new FormData(form));
  addEventListener("beforeunload", stay);
  for (const one of [bar.parentElement, cancel]) shows(one, true);
  shows(wrong, false);
  send.disabled = true;
  tell(going.replace("{percent}", 0), 0);
  cancel.focus();
};
document.addEventListener("submit", event => {
  const form = event.target;
  if (!form.dataset.upload) return;
  event.preventDefault();
  const file = form.querySelector("[type=file]").files[0];
  if (file.size <= Number(form.dataset.bytesMax)) return upload(form);
  const wrong = form.querySelector(".wrong");
  wrong.textContent = form.dataset.tooLarge;
  shows(wrong, true);
});
