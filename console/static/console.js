// What pages do beyond plain HTML: live parts, copy buttons, checks while typing, ages. All work without it but the first.
const find = (selector, within = document) => [...within.querySelectorAll(selector)];
const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

// -- live parts: [data-live="milliseconds"][id] is replaced by the same part of the page as the server has it then
const shape = (part) => part.outerHTML.replace(/(<details[^>]*) open=""/g, "$1").replace(/<input type="hidden"[^>]*>/g, "").replace(/(<time[^>]*>)[^<]*/g, "$1");

// what a focused element is known by after its part was replaced
const FOCUSABLE = "a, button, input, select, summary, [tabindex]";
const mark = (one) => [one.localName, one.id, one.getAttribute("href"), one.getAttribute("aria-label"), one.textContent.trim()].join("|");

const replace = (part, fresh) => {
  if (shape(part) === shape(fresh)) return;
  const focused = part.contains(document.activeElement) ? mark(document.activeElement) : null;
  const said = part.dataset.said;
  const opened = find("details[open][id]", part).map((details) => details.id);
  part.replaceWith(document.importNode(fresh, true));
  opened.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
  if (focused) find(FOCUSABLE, document.getElementById(part.id)).find((one) => mark(one) === focused)?.focus({ preventScroll: true });
  if (fresh.dataset.said && fresh.dataset.said !== said) document.getElementById("said").textContent = fresh.dataset.said;
};

const isTyping = (part) => part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
// a form that was sent stays, else its button could send it again
const inUse = (part) => isTyping(part) || part.querySelector("form[data-sent]");

const refresh = async () => {
  const answer = await fetch(location.href, { headers: { "X-Requested-With": "console" } });
  if (answer.status === 401) return location.reload();
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const part of find("[data-live][id]")) {
    const fresh = page.getElementById(part.id);
    if (fresh && !inUse(part)) replace(part, fresh);
  }
};

const live = async () => {
  for (;;) {
    const paces = find("[data-live][id]").map((part) => Number(part.dataset.live));
    if (!paces.length) return;
    await wait(Math.min(...paces));
    if (!document.hidden) await refresh().catch(() => undefined);
  }
};

// -- ages grow
const units = [[60, 1, "s"], [3600, 60, "min"], [172800, 3600, "h"], [5184000, 86400, "d"], [Infinity, 2630016, "months"]];
const age = (time) => {
  const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
  const [, unit, name] = units.find(([limit]) => Math.abs(seconds) < limit);
  const text = `${Math.floor(Math.abs(seconds) / unit)} ${name}`;
  return Math.abs(seconds) < 1 ? "now" : seconds > 0 ? `${text} ago` : `in ${text}`;
};
setInterval(() => find("time[datetime]").forEach((time) => (time.textContent = age(time))), 10000);

// -- copy buttons: [data-copy] holds the text
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  document.getElementById("said").textContent = "Copied.";
  button.classList.add("copied");
  setTimeout(() => button.classList.remove("copied"), 1500);
});

// -- select all rows; the bar of actions tells how many
const count = (form, all) => {
  const boxes = find("input[name=slug]", form);
  if (all) boxes.forEach((box) => (box.checked = all.checked));
  const chosen = boxes.filter((box) => box.checked).length;
  find("[data-count]", form).forEach((place) => (place.textContent = `(${chosen})`));
  find("[data-needs-selection]", form).forEach((button) => (button.disabled = !chosen));
};
document.addEventListener("change", ({ target }) => {
  if (target.form?.dataset.selection) count(target.form, target.matches("[data-all]") ? target : null);
});
find("form[data-selection]").forEach((form) => count(form, null));

// -- a form is sent once, however often its button is pressed, until the response has had its time or the page is shown again
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 10000);
});
window.addEventListener("pageshow", () => find("form[data-sent]").forEach((form) => delete form.dataset.sent));

// -- a confirmation's button waits for the very text
document.addEventListener("input", (event) => {
  const wanted = event.target.dataset.confirms;
  if (wanted) find("button[type=submit]", event.target.form).forEach((button) => (button.disabled = event.target.value !== wanted));
});
find("[data-confirms]").forEach((input) => input.dispatchEvent(new Event("input", { bubbles: true })));

// -- checks while typing: [data-check] is the address that answers {state, text} for the field
const timers = new WeakMap();
document.addEventListener("input", (event) => {
  const input = event.target;
  if (!input.dataset?.check) return;
  clearTimeout(timers.get(input));
  timers.set(input, setTimeout(() => check(input), 350));
});

const check = async (input) => {
  const place = document.getElementById(`${input.id}-check`);
  const asked = input.value;
  const last = asked.trim().split("\n").pop();
  if (!last) return tell(input, place, {});
  const answer = await fetch(`${input.dataset.check}${encodeURIComponent(last)}`, { headers: { "X-Requested-With": "console" } });
  if (answer.ok && input.value === asked) tell(input, place, await answer.json());
};

const tell = (input, place, { state = "", text = "" }) => {
  place.textContent = text;
  place.className = `form-text check-${state}`;
  input.classList.toggle("is-invalid", state === "bad");
  input.setAttribute("aria-invalid", state === "bad");
};

live();
