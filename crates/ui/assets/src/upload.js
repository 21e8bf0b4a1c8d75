// Sends files in parts: of any size, with progress, going on after an interruption. Without script the form itself is sent.

const TRIES = 6;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** One call of the API; tried again while the network or the server is out of reach. */
async function call(method, path, body, signal) {
  const isPart = body instanceof Blob;
  for (let attempt = 1; ; attempt += 1) {
    try {
      const answer = await fetch(`/api/v1/records/attachment${path}`, {
        method,
        signal,
        headers: { "content-type": isPart ? "application/octet-stream" : "application/json" },
        body: body === undefined ? undefined : isPart ? body : JSON.stringify(body),
      });
      if (answer.ok) return answer.status === 204 ? null : await answer.json();
      const problem = await answer.json().catch(() => ({}));
      const error = new Error(problem.errors?.[0]?.detail ?? problem.detail ?? "");
      error.isFinal = answer.status < 500 && answer.status !== 429;
      throw error;
    } catch (error) {
      if (signal.aborted || error.isFinal || attempt === TRIES) throw error;
      await pause(500 * 2 ** attempt);
    }
  }
}

async function send(file, about, signal, told) {
  const { id } = await call("POST", "", { name: file.name.slice(0, 255), about_id: about }, signal);
  try {
    const type = /^[\w.+-]+\/[\w.+-]+$/.test(file.type) ? file.type : "application/octet-stream";
    const upload = await call("POST", `/${id}/upload`, { content_type: type, size: file.size }, signal);
    for (let number = 0; number < upload.parts; number += 1) {
      const start = number * upload.part_size;
      await call("PUT", `/${id}/upload/parts/${number}`, file.slice(start, start + upload.part_size), signal);
      told(Math.min(file.size, start + upload.part_size));
    }
    await call("POST", `/${id}/upload/completion`, {}, signal);
    return id;
  } catch (error) {
    // A file without content is of no use to anybody.
    await call("DELETE", `/${id}`, undefined, new AbortController().signal).catch(() => {});
    throw error;
  }
}

async function upload(form, files) {
  const { about, back, failed, sending } = form.dataset;
  const [progress, status, button] = ["progress", "[data-status]", "button"].map((it) => form.querySelector(it));
  const stop = new AbortController();
  form.querySelector("[data-cancel]").addEventListener("click", () => stop.abort(), { once: true });
  const total = files.reduce((sum, file) => sum + file.size, 0) || 1;
  let [before, last] = [0, null];
  if (files.some((file) => file.size > 2 ** 30)) {
    progress.parentElement.hidden = false;
    status.textContent = form.dataset.large;
    return;
  }
  button.disabled = true;
  progress.parentElement.hidden = false;
  try {
    for (const file of files) {
      status.textContent = sending.replace("{name}", file.name);
      last = await send(file, about, stop.signal, (sent) => {
        progress.value = (before + sent) / total;
      });
      before += file.size;
    }
    const next = new URL(back, location.href);
    next.searchParams.set("notice", "created");
    next.searchParams.set("about", last);
    location.assign(next);
  } catch (error) {
    if (stop.signal.aborted) return;
    status.textContent = `${failed} ${error.message}`;
    button.disabled = false;
  }
}

export function startUpload() {
  document.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-upload]");
    const files = form && [...form.querySelector("input[type=file]").files];
    if (!files?.length) return;
    event.preventDefault();
    upload(form, files);
  });
  // A file dropped anywhere on the page is meant for the form.
  document.addEventListener("dragover", (event) => {
    if (document.querySelector("form[data-upload], form[data-bring]")) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    const input = document.querySelector("form:is([data-upload], [data-bring]) input[type=file]");
    if (!input || !event.dataTransfer?.files.length) return;
    event.preventDefault();
    input.files = event.dataTransfer.files;
    input.form.requestSubmit();
  });
}
