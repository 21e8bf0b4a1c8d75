//! Whatever people enter is text: every form that can be reached is sent with markup in each of its fields, and no page takes it for its own.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::chromium::Browser;

/// Looks at the page behind `path`: where it leads, and whether markup that somebody entered has become part of it. With `send`, its forms are
/// sent first, each once with markup in its texts alone, and once with markup in everything.
const VISIT: &str = r##"
const MARKUP = `"'><b data-hostile="1">x</b><img src=x onerror="alert(1)" data-hostile="2">{{7*7}}`;
// What would sign the person out, end the workspace, or take away what the next form needs: sent where it has a text that is refused, and
// otherwise left alone.
const ENDS = /sign-out|\/ending|departure|sessions|two-step|password|membership|\/access|\/role$|wipe|palette/;
const found = [];
const judge = async (answer, what) => {
  // What isn't a page is saved, not shown.
  const isPage = answer.headers.get("content-type")?.startsWith("text/html");
  const page = new DOMParser().parseFromString(isPage ? await answer.text() : "", "text/html");
  if (page.querySelector("[data-hostile]")) found.push(what);
  return page;
};
const entered = (field, everything) => {
  const most = Number(field.getAttribute("maxlength") ?? 4000);
  const markup = MARKUP.slice(0, most);
  if (everything) return markup;
  const valid = { email: `h${Math.random()}@north.example`, number: "1", date: "2027-01-01", time: "10:00", "datetime-local": "2027-01-01T10:00", url: "https://hostile.example/", tel: "+1 555 0100", hidden: field.value, checkbox: field.value, radio: field.value };
  if (field.tagName === "SELECT") return field.value || (field.options[1] ?? field.options[0])?.value || "";
  return valid[field.type] ?? markup;
};
const sent = [];
const send = async (form, everything) => {
  const action = form.getAttribute("action") || path;
  const fields = new FormData();
  for (const field of form.elements) {
    if (!field.name || field.tagName === "BUTTON" || field.type === "submit") continue;
    if (field.type === "file") fields.append(field.name, new File([`Name,E-mail\n"${MARKUP.replaceAll('"', '""')}",x\n`], `${MARKUP.slice(0, 60)}.csv`));
    else if (["checkbox", "radio"].includes(field.type) && !field.checked && !everything) continue;
    else fields.append(field.name, entered(field, everything));
  }
  const button = form.querySelector("button[name]:not([formaction])");
  if (button) fields.append(button.name, button.value);
  const parts = form.enctype === "multipart/form-data" ? fields : new URLSearchParams(fields);
  const isGet = form.getAttribute("method")?.toLowerCase() !== "post";
  const address = isGet ? `${action.split("?")[0]}?${parts}` : action;
  const answer = await fetch(address, isGet ? {} : { method: "POST", body: parts });
  await judge(answer, `${isGet ? "GET" : "POST"} ${action} from ${path}, ${everything ? "everything" : "texts"} (${answer.status})`);
  sent.push([action, answer.status]);
};
let answer = await fetch(path);
let page = await judge(answer, path);
if (withForms) {
  for (const form of page.querySelectorAll("form")) {
    const action = form.getAttribute("action") || path;
    const key = action.replace(/[0-9A-Za-z]{15}/g, "*") + [...form.elements].map((field) => field.name).join();
    if (known.includes(key)) continue;
    known.push(key);
    const ends = ENDS.test(action);
    if (ends && !form.querySelector("textarea, input:is(:not([type]), [type=text], [type=password], [type=email], [type=search])")) continue;
    await send(form, true);
    if (ends) continue;
    await send(form, false);
  }
  answer = await fetch(path);
  page = await judge(answer, path);
}
// Parts that are fetched in place are pages, too, when they are looked at.
const links = [...page.querySelectorAll("a[href^='/'], [hx-get^='/']")].map((link) => (link.getAttribute("hx-get") ?? link.getAttribute("href")).split("#")[0]);
return { status: answer.status, found, sent, known, links, shown: page.body.textContent.includes("data-hostile") };
"##;

/// What has been seen on a walk through all pages.
#[derive(Default)]
struct Walk {
    seen: BTreeSet<String>,
    known: Value,
    found: Vec<Value>,
    /// Forms that were sent, with what was answered.
    sent: Vec<Value>,
    /// Pages that show what was entered.
    showing: usize,
    failed: Vec<String>,
}

impl Walk {
    async fn through(browser: &Browser, with_forms: bool) -> Self {
        let mut walk = Self {
            known: json!([]),
            ..Self::default()
        };
        let mut ahead: VecDeque<String> = ["/", "/settings/profile", "/deals", "/notifications"]
            .map(str::to_owned)
            .into();
        while let Some(path) = ahead.pop_front() {
            if !walk.seen.insert(kind_of(&path)) {
                continue;
            }
            let known = &walk.known;
            let script =
                format!("const path = {path:?}, withForms = {with_forms}, known = {known};{VISIT}");
            let seen = browser.run_async(&script).await;
            assert_eq!(seen["error"], Value::Null, "{path}");
            let list = |name: &str| seen[name].as_array().cloned().unwrap_or_default();
            walk.known = seen["known"].clone();
            walk.found.extend(list("found"));
            walk.sent.extend(list("sent"));
            walk.showing += usize::from(seen["shown"] == true);
            if seen["status"].as_u64().is_none_or(|status| status >= 500) {
                walk.failed.push(format!("{path}: {}", seen["status"]));
            }
            for link in list("links") {
                let link = link.as_str().expect("an address").to_owned();
                let is_file = ["/export", "/content", ".ics", "/failed", "/audit/"]
                    .iter()
                    .any(|part| link.contains(part));
                if !is_file {
                    ahead.push_back(link);
                }
            }
        }
        walk
    }
}

/// Which page an address is of: records of one object have the same, and so have the fields of an object.
fn kind_of(path: &str) -> String {
    let (place, query) = path.split_once('?').unwrap_or((path, ""));
    let parts: Vec<&str> = place
        .split('/')
        .map(|part| {
            let is_id = part.len() == 15 && part.chars().any(|c| c.is_ascii_digit());
            if is_id { "*" } else { part }
        })
        .collect();
    match parts.as_slice() {
        ["", "settings", "objects", _, "fields", field] if !field.ends_with("_c") => {
            "/settings/objects/*/fields/*".to_owned()
        }
        _ if query.contains("filter=") => format!("{}?filter", parts.join("/")),
        _ if query.is_empty() => parts.join("/"),
        _ => format!("{}?", parts.join("/")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_in_any_field_of_any_form_stays_text() {
    let browser = Browser::signed_in().await;
    let account = browser.make("accounts", &[("name", "Acme")]).await;
    let id = account.rsplit('/').next().expect("an id");
    for (objects, fields) in [
        ("deals", vec![("name", "Roof"), ("account_id", id)]),
        ("leads", vec![("last_name", "Doe"), ("company", "Doe Ltd")]),
        ("contacts", vec![("last_name", "Roe"), ("account_id", id)]),
        ("tasks", vec![("subject", "Call"), ("about_id", id)]),
        ("products", vec![("name", "Ladder")]),
        ("cases", vec![("subject", "Broken")]),
    ] {
        browser.make(objects, &fields).await;
    }
    let forms = Walk::through(&browser, true).await;
    assert_eq!(forms.found, Vec::<Value>::new());
    assert_eq!(forms.failed, Vec::<String>::new());
    let failed: Vec<&Value> = forms
        .sent
        .iter()
        .filter(|sent| sent[1].as_u64().is_none_or(|status| status >= 500))
        .collect();
    assert_eq!(failed, Vec::<&Value>::new());
    let pages = Walk::through(&browser, false).await;
    assert_eq!(pages.found, Vec::<Value>::new());
    assert_eq!(pages.failed, Vec::<String>::new());
    // It has arrived in many places, or nothing was tried.
    assert!(forms.sent.len() > 120, "{} forms sent", forms.sent.len());
    assert!(pages.seen.len() > 90, "{} pages", pages.seen.len());
    assert!(pages.showing > 40, "{} pages show it", pages.showing);
    println!(
        "{} forms sent, {} pages seen, {} show what was entered",
        forms.sent.len(),
        pages.seen.len(),
        pages.showing
    );
}
