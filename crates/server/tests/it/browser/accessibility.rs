//! Every page, in both colour schemes: nothing that axe objects to, nothing that the policy blocks, nothing wider than the screen.

use super::chromium::Browser;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_accessible_and_fits_every_screen() {
    let browser = Browser::at_the_door().await;
    let link = browser.driver.current_url().await.unwrap().to_string();
    let mut wrong = inspect(
        &browser,
        &[
            (
                "set-up",
                link.strip_prefix(browser.server.url()).unwrap().to_owned(),
            ),
            ("sign-in", "/sign-in?to=%2F".to_owned()),
            ("spent link", "/set-up?link=x".to_owned()),
            ("forgotten password", "/forgotten-password".to_owned()),
            ("spent letter", "/invitation?link=x".to_owned()),
            ("security without a report", "/security".to_owned()),
        ],
    )
    .await;

    browser.driver.goto(&link).await.unwrap();
    browser.fill("#password", super::chromium::PASSWORD).await;
    browser.fill("#repeat", super::chromium::PASSWORD).await;
    browser.click("button.primary").await;
    browser.wait_for_path("/").await;
    // First, since some of them ask for a proof of less than ten minutes ago.
    wrong.extend(inspect(&browser, &programs(&browser).await).await);
    wrong.extend(inspect(&browser, &pages(&browser).await).await);
    // With a report, whatever is in it: this installation keeps no backups and isn't encrypted.
    let data = browser.server.data().to_owned();
    let checked = tokio::task::spawn_blocking(move || {
        let mut command = std::process::Command::new(fieldstone_testkit::binary());
        command.args(["verify", "--data"]).arg(data).output()
    });
    assert_eq!(checked.await.unwrap().unwrap().status.code(), Some(1));
    wrong.extend(inspect(&browser, &settings()).await);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The pages about programs and about what happened, with something on each.
async fn programs(browser: &Browser) -> Vec<(&'static str, String)> {
    let long = "Donaudampfschifffahrtsgesellschaft".repeat(5);
    let send = |path: &'static str, form: serde_json::Value| async move {
        let script = format!(
            "const answer = await fetch('{path}', {{ method: 'POST', body: new URLSearchParams({form}) }}); return new URL(answer.url).pathname;"
        );
        let landed = browser.run_async(&script).await;
        landed.as_str().expect(path).to_owned()
    };
    for name in ["nightly", &long] {
        let form = serde_json::json!([
            ["name", name],
            ["scope", "records.read"],
            ["scope", "records.write"],
            ["days", "30"]
        ]);
        send("/settings/tokens", form).await;
    }
    let form = serde_json::json!([["name", long], ["role", "member"]]);
    let account = send("/settings/service-accounts", form).await;
    let form = serde_json::json!([
        ["name", long],
        ["kind", "public"],
        ["redirect_uris", "https://app.example/callback"],
        ["scope", "records.read"]
    ]);
    let application = send("/settings/applications", form).await;
    send("/settings/teams", serde_json::json!([["name", "North"]])).await;
    send("/settings/two-step/setup", serde_json::json!([])).await;
    vec![
        ("tokens", "/settings/tokens".into()),
        ("new token", "/settings/tokens/new".into()),
        ("connected", "/settings/connected".into()),
        ("applications", "/settings/applications".into()),
        ("new application", "/settings/applications/new".into()),
        ("application", application),
        ("field app", "/settings/applications/0OC000000device".into()),
        ("service accounts", "/settings/service-accounts".into()),
        (
            "new service account",
            "/settings/service-accounts/new".into(),
        ),
        ("service account", account),
        ("two-step set-up", "/settings/two-step/setup".into()),
        ("sign-in policy", "/settings/sign-in".into()),
        ("token policy", "/settings/token-policy".into()),
        ("audit log", "/settings/audit".into()),
        (
            "filtered audit log",
            "/settings/audit?action=api_token.add&from=2020-01-01".into(),
        ),
        ("empty audit log", "/settings/audit?target=nothing".into()),
        ("nothing to allow", "/oauth/authorize?client_id=none".into()),
    ]
}

/// One page of every kind, with data that stretches it.
async fn pages(browser: &Browser) -> Vec<(&'static str, String)> {
    let long = "Donaudampfschifffahrtsgesellschaftskapitänswitwenrente".repeat(4);
    let account = browser
        .make(
            "accounts",
            &[
                ("name", &long),
                ("website", "https://example.com/"),
                ("phone", "+49 30 1234"),
                ("description", &"A long story. ".repeat(100)),
            ],
        )
        .await;
    let id = account.rsplit('/').next().unwrap();
    let deal = browser
        .make(
            "deals",
            &[
                ("name", "First deal"),
                ("account_id", id),
                ("amount", "123456.78"),
                ("close_date", "2020-01-01"),
            ],
        )
        .await;
    for at in 0..60 {
        browser
            .make(
                "deals",
                &[
                    ("name", &format!("Deal {at}")),
                    ("account_id", id),
                    ("amount", &format!("{at}")),
                ],
            )
            .await;
    }
    browser
        .make(
            "tasks",
            &[
                ("subject", "Call back"),
                ("about_id", deal.rsplit('/').next().unwrap()),
                ("due_date", "2020-01-01"),
            ],
        )
        .await;
    let lead = browser
        .make("leads", &[("last_name", "King"), ("company", &long)])
        .await;
    let deleted = browser.make("accounts", &[("name", "To be deleted")]).await;
    browser
        .run_async(&format!(
            "await fetch('{deleted}/deletion', {{ method: 'POST', body: new URLSearchParams() }});"
        ))
        .await;
    let mut pages = work(&deal);
    pages.extend([
        ("home", "/".into()),
        ("list", "/deals".into()),
        (
            "sorted and filtered list",
            "/deals?sort=-amount&filter=amount+%3E+1&q=deal".into(),
        ),
        ("filter sheet", "/deals?field=account_id".into()),
        (
            "filter sheet with an error",
            "/deals?field=amount&test=greater&value=x".into(),
        ),
        ("broken filter", "/deals?filter=nothing+%3D+1".into()),
        ("nothing found", "/deals?q=zzzz".into()),
        ("empty list", "/cases".into()),
        ("deleted list", "/accounts/deleted".into()),
        ("record", deal.clone()),
        ("record with a long name", account),
        ("deleted record", deleted.clone()),
        ("new", "/deals/new".into()),
        ("new call", "/calls/new".into()),
        ("new product", "/products/new".into()),
        ("edit", format!("{deal}/edit")),
        ("history", format!("{deal}/history")),
        ("conversion", format!("{lead}/conversion")),
        ("search", "/search?q=deal".into()),
        ("empty search", "/search".into()),
        ("settings", "/pipelines".into()),
        ("not found", "/nothing/here".into()),
        (
            "after deleting",
            format!(
                "/accounts?notice=deleted&about={}",
                deleted.rsplit('/').next().unwrap()
            ),
        ),
    ]);
    pages
}

/// What a day's work is done on.
fn work(deal: &str) -> Vec<(&'static str, String)> {
    vec![
        ("everybody's home", "/?whose=all".into()),
        ("board", "/deals/board".into()),
        ("merge", format!("{deal}/merge")),
        (
            "list with columns",
            "/deals?column=source&column=amount".into(),
        ),
        ("alternative", "/deals?filter=amount+%3E+1&or=0".into()),
        ("timeline of notes", format!("{deal}?show=note")),
        (
            "report",
            "/reports?object=deal&by=stage_id&then=status&measure=sum:amount".into(),
        ),
        (
            "report with an error",
            "/reports?filter=nothing+%3D+1".into(),
        ),
        ("forecast", "/forecast".into()),
        ("no dashboard", "/dashboards".into()),
        ("calendar", "/calendar".into()),
        ("week", "/calendar?reach=week&date=2020-01-01".into()),
        (
            "day",
            "/calendar?reach=day&date=2020-01-01&whose=all".into(),
        ),
        ("imports", "/imports".into()),
        ("new import", "/imports/new?object=deal".into()),
    ]
}

/// Settings, as somebody finds them who is alone in a workspace.
fn settings() -> Vec<(&'static str, String)> {
    [
        ("notifications", "/notifications"),
        ("notification settings", "/settings/notifications"),
        ("calendar elsewhere", "/settings/calendar"),
        ("automation", "/settings/automation"),
        ("new rule", "/settings/automation/new?object=deal"),
        ("webhooks", "/settings/webhooks"),
        ("profile", "/settings/profile"),
        ("password", "/settings/password"),
        ("two-step", "/settings/two-step"),
        ("two-step removal", "/settings/two-step/removal"),
        ("sessions", "/settings/sessions"),
        ("teams", "/settings/teams"),
        ("roles", "/settings/roles"),
        ("confirmation", "/confirm?return_to=%2Fdeals"),
        ("members", "/settings/members"),
        ("nobody found", "/settings/members?q=zzzz"),
        ("invitations", "/settings/invitations"),
        ("invite", "/settings/invitations/new"),
        ("membership", "/settings/membership"),
        ("new address", "/settings/membership/email"),
        ("departure", "/settings/membership/departure"),
        ("personal data", "/settings/personal-data?q=a"),
        ("usage", "/settings/usage"),
        ("support", "/settings/support"),
        ("security", "/security"),
        ("backups", "/settings/backups"),
        ("ending", "/settings/ending"),
        ("objects", "/settings/objects"),
        ("object", "/settings/objects/deal"),
        ("field", "/settings/objects/deal/fields/amount"),
        ("order of fields", "/settings/objects/deal/order"),
    ]
    .map(|(name, path)| (name, path.to_owned()))
    .to_vec()
}

pub(super) async fn inspect(browser: &Browser, pages: &[(&str, String)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, path) in pages {
        browser.screen(1280, 800).await;
        browser.scheme("light").await;
        browser.open(path).await;
        browser.settled().await;
        picture(browser, name).await;
        for (width, scheme) in [
            (1280, "light"),
            (1280, "dark"),
            (375, "light"),
            (375, "dark"),
            (2560, "light"),
        ] {
            browser.screen(width, 800).await;
            browser.scheme(scheme).await;
            let at = format!("{name} ({path}) at {width} px, {scheme}");
            if width != 2560 {
                wrong.extend(
                    browser
                        .violations()
                        .await
                        .into_iter()
                        .map(|violation| format!("{at}: {violation}")),
                );
            }
            let excess = browser.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
            if excess != 0 {
                wrong.push(format!("{at}: {excess} px wider than the screen"));
            }
        }
        let blocked = browser.blocked().await;
        if blocked != serde_json::json!([]) {
            wrong.push(format!("{name}: the policy blocked {blocked}"));
        }
    }
    wrong
}

/// Keeps a picture of the page where somebody wants to look at it.
async fn picture(browser: &Browser, name: &str) {
    if let Some(folder) = std::env::var_os("FIELDSTONE_SCREENSHOTS") {
        let file = std::path::Path::new(&folder).join(format!("{}.png", name.replace(' ', "-")));
        browser.driver.screenshot(&file).await.expect("a picture");
    }
}
