// The board: cards are dragged, or moved by keys or a list of stages. Each way sends a form. Without script, a card leads to the deal's own form.

// Cards under way, by the form that was sent.
const moved = new WeakMap();

const cards = (lane) => [...lane.querySelectorAll("[data-card] .row-link")];

/** The form that moves a card, made when it is first needed: hundreds of cards with a list of stages each are slow to load. */
function formOf(card, htmx) {
  const there = card.querySelector("form.move");
  if (there) return there;
  const form = document.getElementById("move")?.content.firstElementChild.cloneNode(true);
  if (!form) return null;
  form.setAttribute("action", `${card.querySelector(".row-link").getAttribute("href")}/move`);
  form.elements.version.value = card.dataset.version;
  form.elements.was.value = form.elements.stage_id.value = card.closest(".lane").dataset.stage;
  form.elements.stage_id.setAttribute("aria-label", card.querySelector("[data-move]").title);
  card.append(form);
  htmx.process(form);
  return form;
}

/** Moves a card to a lane by sending its form. */
function move(card, lane, htmx) {
  const stage = lane?.dataset.stage;
  const form = stage && card.closest(".lane") !== lane && formOf(card, htmx);
  if (!form) return;
  form.elements.stage_id.value = stage;
  // At once where it will be; if the server refuses, it goes back.
  moved.set(form, { card, deck: card.parentElement, next: card.nextElementSibling, focused: card.contains(document.activeElement) });
  lane.querySelector(".deck").prepend(card);
  form.requestSubmit();
}

/** Puts a card back where it came from. */
function putBack(form) {
  form.elements.stage_id.value = form.elements.was.value;
  const from = moved.get(form);
  if (!from?.deck.isConnected) return;
  moved.delete(form);
  from.deck.insertBefore(from.card, from.next?.parentElement === from.deck ? from.next : null);
  if (from.focused) from.card.querySelector(".row-link").focus();
}

/** Says on the board why a card went back: what the server's page says, without going there. */
function refuse(page) {
  const template = document.getElementById("refusal");
  if (!template) return;
  const notice = template.content.cloneNode(true);
  const said = [...page.querySelectorAll("#main .errors p, #main .empty :is(h1, p), .errors p, .empty :is(h1, p)")];
  notice.querySelector("p").textContent = said.map((it) => it.textContent.trim()).join(" ");
  document.getElementById("notices").replaceChildren(notice);
}

function step(link, key, htmx) {
  const lane = link.closest(".lane");
  const card = link.closest("[data-card]");
  const lanes = [...lane.parentElement.children];
  const by = { ArrowLeft: -1, ArrowRight: 1 }[key.name];
  if (by && key.moving) {
    move(card, lanes[lanes.indexOf(lane) + by], htmx);
    return true;
  }
  if (by) {
    for (let at = lanes.indexOf(lane) + by; lanes[at]; at += by) {
      const there = cards(lanes[at]);
      if (there.length) {
        const next = there[Math.min(cards(lane).indexOf(link), there.length - 1)];
        next.focus();
        next.scrollIntoView({ block: "nearest", inline: "nearest" });
        return true;
      }
    }
    return false;
  }
  const down = { ArrowDown: 1, ArrowUp: -1 }[key.name];
  const next = down && cards(lane)[cards(lane).indexOf(link) + down];
  next?.focus();
  return Boolean(next);
}

export function startBoard(htmx) {
  let dragged = null;

  const sent = (event) => event.detail.requestConfig?.elt?.closest?.("form.move");
  document.addEventListener("htmx:beforeSwap", (event) => {
    const form = sent(event);
    const { xhr } = event.detail;
    if (!form || xhr.status < 400 || xhr.getResponseHeader("hx-redirect")) return;
    const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
    // What others did meanwhile is shown, to be settled there; so is a question that wants another answer.
    if (page.querySelector(".collision, form.form, #lost_reason")) return;
    event.detail.shouldSwap = false;
    putBack(form);
    refuse(page);
  });
  for (const name of ["htmx:sendError", "htmx:timeout"]) {
    document.addEventListener(name, (event) => {
      const form = sent(event);
      if (form) putBack(form);
    });
  }

  // Before the link is followed.
  document.addEventListener(
    "click",
    (event) => {
      const opener = event.target.closest?.("[data-move]");
      if (!opener || event.ctrlKey || event.metaKey || event.shiftKey) return;
      const form = formOf(opener.closest("[data-card]"), htmx);
      if (!form) return;
      event.preventDefault();
      event.stopPropagation();
      form.hidden = !form.hidden;
      opener.setAttribute("aria-expanded", String(!form.hidden));
      if (!form.hidden) form.elements.stage_id.focus();
    },
    true,
  );

  document.addEventListener("dragstart", (event) => {
    dragged = event.target.closest?.("[data-card]") ?? null;
    if (!dragged) return;
    dragged.classList.add("dragged");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", "");
  });
  document.addEventListener("dragover", (event) => {
    const lane = dragged && event.target.closest?.(".lane");
    for (const other of document.querySelectorAll(".lane.over")) if (other !== lane) other.classList.remove("over");
    if (!lane) return;
    event.preventDefault();
    lane.classList.add("over");
  });
  document.addEventListener("drop", (event) => {
    const lane = dragged && event.target.closest?.(".lane");
    if (!lane) return;
    event.preventDefault();
    move(dragged, lane, htmx);
  });
  document.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    for (const lane of document.querySelectorAll(".lane.over")) lane.classList.remove("over");
    dragged = null;
  });

  document.addEventListener("keydown", (event) => {
    const link = event.target.closest?.("[data-board] .row-link");
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    if (step(link, { name: event.key, moving: event.shiftKey }, htmx)) event.preventDefault();
  });
}
