// Hears from the server when somebody else changes what the page shows, and says so without moving anything. Without script nothing is said.

const DELAY_MS = 1200;
const ACTIVE_MS = 5 * 60_000;

export function startLive(htmx) {
  const place = document.body.dataset.liveAt;
  if (!place || !window.EventSource) return;
  let source = null;
  let timer;
  let paused = false;
  let active = Date.now();

  const close = () => {
    delete document.body.dataset.live;
    source?.close();
    source = null;
  };

  const say = ({ text, show, dismiss }) => {
    const notice = document.createElement("div");
    notice.className = "notice";
    notice.dataset.changed = "";
    const told = notice.appendChild(document.createElement("p"));
    told.textContent = text;
    // What is being typed beside the record would be lost.
    if (show && !document.querySelector("#main form[data-inline]")) {
      const button = notice.appendChild(document.createElement("button"));
      button.type = "button";
      button.className = "link";
      button.textContent = show;
      button.addEventListener("click", () => {
        notice.remove();
        htmx.ajax("GET", location.pathname + location.search, { target: "#main", swap: "innerHTML" });
      });
    }
    const away = notice.appendChild(document.createElement("button"));
    away.type = "button";
    away.className = "button plain icon-only";
    away.dataset.dismiss = "";
    away.title = dismiss;
    away.setAttribute("aria-label", dismiss);
    away.textContent = "×";
    document.getElementById("notices")?.replaceChildren(notice);
  };

  const open = () => {
    close();
    if (document.hidden || Date.now() - active > ACTIVE_MS) {
      paused = true;
      return;
    }
    paused = false;
    const wanted = document.querySelector("#main [data-live]")?.dataset.live;
    source = new EventSource(wanted ? `${place}?${wanted}` : place);
    source.addEventListener("open", () => {
      document.body.dataset.live = wanted ?? "";
    });
    source.addEventListener("changed", (event) => say(JSON.parse(event.data)));
    source.addEventListener("count", (event) => {
      const shown = document.querySelector("[data-told] [data-count]")?.textContent ?? "0";
      if (shown !== event.data) htmx.trigger(document.body, "told");
    });
    // The server ends it; somebody has to do something before the page asks again.
    source.addEventListener("pause", () => {
      close();
      paused = true;
    });
  };

  const later = () => {
    close();
    document.querySelector("#notices [data-changed]")?.remove();
    clearTimeout(timer);
    timer = setTimeout(open, DELAY_MS);
  };

  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target === document.getElementById("main")) later();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else open();
  });
  for (const kind of ["pointerdown", "keydown"]) {
    document.addEventListener(kind, () => {
      active = Date.now();
      if (paused) open();
    }, { passive: true, capture: true });
  }
  addEventListener("pagehide", close);
  timer = setTimeout(open, DELAY_MS);
}
