// Sends a file that is to be imported in parts, with progress, going on after an interruption. Without script the form itself is sent.

const TRIES = 8;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** What the server says is wrong, and in which field. */
class Refused extends Error {
  constructor({ field, text }) {
    super(text);
    this.field = field;
  }
}

/** One call; tried again while the network or the server is out of reach. */
async function call(path, body, signal) {
  for (let attempt = 1; ; attempt += 1) {
    let isFinal = false;
    try {
      const answer = await fetch(path, { method: "POST", body, signal, redirect: "manual" });
      if (answer.type === "opaqueredirect") {
        // The session has ended: the page leads to signing in.
        isFinal = true;
        location.reload();
        throw new Error("");
      }
      if (answer.ok) return answer.status === 204 ? null : await answer.json();
      isFinal = answer.status < 500 && answer.status !== 429;
      const isTold = answer.status === 422 && answer.headers.get("content-type")?.startsWith("application/json");
      throw isTold ? new Refused(await answer.json()) : new Error("");
    } catch (error) {
      if (signal.aborted || isFinal || attempt === TRIES) throw error;
      await pause(500 * 2 ** Math.min(attempt, 5));
    }
  }
}

async function send(form, file, signal, told) {
  const fields = new URLSearchParams({ name: file.name, size: file.size });
  for (const name of ["object", "label", "plural"]) fields.set(name, form.elements[name]?.value ?? "");
  const { id, part_size: size } = await call("/imports/files", fields, signal);
  try {
    for (let number = 0; number * size < file.size; number += 1) {
      const part = file.slice(number * size, (number + 1) * size);
      await call(`/imports/${id}/parts?number=${number}`, part, signal);
      told(Math.min(file.size, (number + 1) * size));
    }
    told(null);
    return (await call(`/imports/${id}/arrival`, undefined, signal)).location;
  } catch (error) {
    // What can't be used takes no room.
    fetch(`/imports/${id}/removal`, { method: "POST", redirect: "manual", keepalive: true }).catch(() => {});
    throw error;
  }
}

/** Says what is wrong beside a field, or takes that back. */
function say(form, field, text) {
  const [line, input] = [form.querySelector(`#${field}-error`), form.querySelector(`#${field}`)];
  if (!line) return;
  line.querySelector("span").textContent = text ?? "";
  line.hidden = !text;
  if (text) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

async function bring(form, file) {
  const { dataset } = form;
  const isWorkbook = /\.xlsx$/i.test(file.name);
  const most = Number(isWorkbook ? dataset.workbookMost : dataset.most) * 2 ** 20;
  say(form, "label", null);
  say(form, "file", file.size > most ? (isWorkbook ? dataset.workbookTooLarge : dataset.tooLarge) : null);
  if (file.size > most) return;
  const [progress, status, button] = ["progress", "[data-status]", "button"].map((it) => form.querySelector(it));
  const stop = new AbortController();
  form.querySelector("[data-cancel]").addEventListener("click", () => stop.abort(), { once: true });
  button.disabled = true;
  progress.parentElement.hidden = false;
  progress.value = 0;
  status.textContent = dataset.sending.replace("{name}", file.name);
  try {
    const next = await send(form, file, stop.signal, (sent) => {
      if (sent === null) status.textContent = dataset.reading;
      else progress.value = sent / file.size;
    });
    location.assign(next);
  } catch (error) {
    if (stop.signal.aborted) return;
    button.disabled = false;
    progress.parentElement.hidden = true;
    if (error instanceof Refused) say(form, error.field, error.message);
    else say(form, "file", dataset.failed);
  }
}

export function startBring() {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-bring]");
    const file = form?.querySelector("input[type=file]").files[0];
    if (!file || file.size === 0) return;
    event.preventDefault();
    bring(form, file);
  });
}
