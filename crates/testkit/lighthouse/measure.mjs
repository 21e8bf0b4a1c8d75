// Runs Lighthouse on the pages that people have open all day, signed in to a demo, and weighs what comes over the wire.
//
// node measure.mjs DATA-FOLDER [TABLE-FILE]; fails when a page scores or weighs what it mustn't. Speaks to loopback only.

import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";

const LEAST = 95;
const FIRST_MAX = 120 * 1024;
const LATER_MAX = 30 * 1024;
const RUNS = 3;
const CATEGORIES = ["performance", "accessibility", "best-practices"];

const [folder, table] = process.argv.slice(2);
const demo = JSON.parse(readFileSync(`${folder}/demo.json`, "utf8"));
const ca = readFileSync(demo.ca);
const origin = new URL(demo.url).origin;
const person = demo.users.find((user) => user.role === "member");

/** One request: its status, headers and body as it came. */
function fetched(path, { method = "GET", headers = {}, body } = {}) {
  return new Promise((resolve, reject) => {
    const call = request(`${origin}${path}`, { method, headers, ca }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }));
      answer.on("error", reject);
    });
    call.on("error", reject);
    call.end(body);
  });
}

async function signIn() {
  const body = new URLSearchParams({ email: person.email, password: person.password, workspace: person.workspace }).toString();
  const headers = { "content-type": "application/x-www-form-urlencoded", origin, "sec-fetch-site": "same-origin" };
  const answer = await fetched("/sign-in", { method: "POST", headers, body });
  const cookies = (answer.headers["set-cookie"] ?? []).map((cookie) => cookie.split(";")[0]);
  if (answer.status !== 303 || cookies.length === 0) throw new Error(`Signing in as ${person.email} was answered with ${answer.status}.`);
  return cookies.join("; ");
}

/** The bytes of a page when everything it refers to is in the browser already. */
async function later(path, cookie) {
  const answer = await fetched(path, { headers: { cookie, "accept-encoding": "gzip, deflate, br, zstd" } });
  if (answer.status !== 200) throw new Error(`${path} was answered with ${answer.status}.`);
  return answer.body.length;
}

async function pages(cookie) {
  const list = await fetched("/deals", { headers: { cookie } });
  const record = list.body.toString().match(/href="(\/deals\/[0-9A-Za-z]{15,18})"/)?.[1];
  if (!record) throw new Error("The list of deals links to no deal.");
  return { home: "/", list: "/deals", record, kanban: "/deals/board" };
}

const middle = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];

const FLAGS = [
  "--headless=new",
  "--no-sandbox",
  "--ignore-certificate-errors",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

/** What Lighthouse found, in a browser that has seen nothing before. On a busy machine a trace may lack its beginning: then once more. */
async function run(path, cookie, config) {
  for (let left = 3; ; left -= 1) {
    const chromium = await launch({ chromePath: process.env.CHROME_PATH, chromeFlags: FLAGS });
    try {
      const options = { port: chromium.port, output: "json", logLevel: "error", onlyCategories: CATEGORIES, extraHeaders: { Cookie: cookie } };
      const { lhr } = await lighthouse(`${origin}${path}`, options, config);
      if (lhr.runtimeError) {
        if (left > 0 && lhr.runtimeError.code === "NO_NAVSTART") continue;
        throw new Error(`${path}: ${lhr.runtimeError.message}`);
      }
      const final = new URL(lhr.finalDisplayedUrl).pathname;
      if (final !== path) throw new Error(`${path} led to ${final}.`);
      return lhr;
    } finally {
      await chromium.kill();
    }
  }
}

async function measure(path, cookie, config) {
  const runs = [];
  for (let count = 0; count < RUNS; count += 1) runs.push(await run(path, cookie, config));
  const scores = CATEGORIES.map((name) => Math.round(100 * middle(runs.map((lhr) => lhr.categories[name].score))));
  const requests = runs[0].audits["network-requests"].details.items;
  const first = requests.reduce((sum, { transferSize = 0 }) => sum + transferSize, 0);
  const failed = CATEGORIES.flatMap((name) => runs[0].categories[name].auditRefs)
    .filter(({ id, weight }) => weight > 0 && runs[0].audits[id].score !== null && runs[0].audits[id].score < 0.9)
    .map(({ id }) => id);
  return { scores, first, paint: middle(runs.map((lhr) => lhr.audits["largest-contentful-paint"].numericValue)), failed: [...new Set(failed)] };
}

const cookie = await signIn();
const lines = ["| page | as on | performance | accessibility | best practices | largest paint | first load | later |", "|---|---|---:|---:|---:|---:|---:|---:|"];
const wrong = [];
for (const [name, path] of Object.entries(await pages(cookie))) {
  const bytes = await later(path, cookie);
  if (bytes > LATER_MAX) wrong.push(`${name}: ${bytes} bytes on a later navigation`);
  for (const [device, config] of [["desktop", desktopConfig], ["phone", undefined]]) {
    const { scores, first, paint, failed } = await measure(path, cookie, config);
    const sizes = [first, bytes].map((size) => `${(size / 1024).toFixed(1)} KB`);
    lines.push(`| ${name} | ${device} | ${scores.join(" | ")} | ${(paint / 1000).toFixed(2)} s | ${sizes.join(" | ")} |`);
    console.error(lines.at(-1), failed.join(" "));
    if (first > FIRST_MAX) wrong.push(`${name} on a ${device}: ${first} bytes on the first load`);
    scores.forEach((score, at) => {
      if (score < LEAST) wrong.push(`${name} on a ${device}: ${CATEGORIES[at]} ${score}; ${failed.join(", ")}`);
    });
  }
}
console.log(lines.join("\n"));
if (table) writeFileSync(table, `${lines.join("\n")}\n`);
if (wrong.length > 0) {
  console.error(`Not as it should be:\n${wrong.join("\n")}`);
  process.exitCode = 1;
}
