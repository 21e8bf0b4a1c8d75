// The board: cards are dragged, or moved by keys. Either way the card's own form is sent, which works without script too.

const cards = (lane) => [...lane.querySelectorAll("[data-card] .row-link")];

/** Moves a card to a lane by sending its form. */
function move(card, lane) {
  const form = card.querySelector("form.move");
  const stage = lane?.dataset.stage;
  if (!form || !stage || form.elements.was.value === stage) return;
  form.elements.stage_id.value = stage;
  // At once where it will be; if the server refuses, its page shows how things are.
  lane.querySelector(".deck").prepend(card);
  form.requestSubmit();
}

function step(link, key) {
  const lane = link.closest(".lane");
  const card = link.closest("[data-card]");
  const lanes = [...lane.parentElement.children];
  const by = { ArrowLeft: -1, ArrowRight: 1 }[key.name];
  if (by && key.moving) {
    move(card, lanes[lanes.indexOf(lane) + by]);
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

export function startBoard() {
  let dragged = null;

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
    move(dragged, lane);
  });
  document.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    for (const lane of document.querySelectorAll(".lane.over")) lane.classList.remove("over");
    dragged = null;
  });

  document.addEventListener("keydown", (event) => {
    const link = event.target.closest?.("[data-board] .row-link");
    if (!link || event.ctrlKey || event.metaKey || event.altKey) return;
    if (step(link, { name: event.key, moving: event.shiftKey })) event.preventDefault();
  });
}
