// What the pages add when script runs. Every page works without it.
import htmx from "htmx.org/dist/htmx.esm.js";
import { startNavigation } from "./navigation.js";
import { startBoard } from "./board.js";
import { startBring } from "./bring.js";
import { startCalendar } from "./calendar.js";
import { startCombobox } from "./combobox.js";
import { startKeepsake } from "./keepsake.js";
import { startLive } from "./live.js";
import { startMentions } from "./mentions.js";
import { startKeyboard } from "./keyboard.js";
import { startInline } from "./inline.js";
import { startNotices } from "./notices.js";
import { startOrder } from "./order.js";
import { startPalette } from "./palette.js";
import { startTicks } from "./ticks.js";
import { startUpload } from "./upload.js";
import { startWidths } from "./widths.js";
import { startScheme } from "./scheme-choice.js";

Object.assign(htmx.config, {
  allowEval: false,
  includeIndicatorStyles: false,
  allowScriptTags: false,
  selfRequestsOnly: true,
  // Records must not outlive the page in the browser's storage.
  historyCacheSize: 0,
  refreshOnHistoryMiss: true,
  scrollBehavior: "auto",
  defaultSettleDelay: 0,
  // An answer that says what went wrong is a page too.
  responseHandling: [
    { code: "204", swap: false },
    { code: "[2345]..", swap: true },
  ],
});

startNavigation(htmx);
startBoard(htmx);
startBring();
startCalendar();
startCombobox();
startKeepsake();
startKeyboard();
startNotices();
startLive(htmx);
startMentions();
startInline();
startOrder();
startPalette(htmx);
startScheme();
startTicks();
startUpload();
startWidths();
