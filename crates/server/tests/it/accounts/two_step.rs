//! The second factor: setting it up, signing in with it, and everything that must not do.

use std::process::Command;

use fieldstone_server::database::connect;
use http::{Request, StatusCode, header};
use jiff::SignedDuration;
use serde_json::{Value as Json, json};

use crate::gate::{House, PASSWORD, cookie_of, text_of};

/// An authenticator: `oathtool` with a seed.
pub(crate) struct Phone(String);

impl Phone {
    /// Sets a second factor up on the pages; answers the authenticator, the recovery codes and the new cookie.
    pub(crate) async fn enrol(house: &House, cookie: &str) -> (Self, Vec<String>, String) {
        let started = house.post("/settings/two-step/setup", cookie, "").await;
        assert_eq!(started.status(), StatusCode::SEE_OTHER);
        let page = house.page("/settings/two-step/setup", cookie).await;
        let phone = Self::of(&page);
        assert!(page.contains("<svg class=\"qr\""));
        let confirmed = house
            .post(
                "/settings/two-step/confirmation",
                cookie,
                format!("code={}", phone.code(house, 0)),
            )
            .await;
        assert_eq!(confirmed.status(), StatusCode::OK);
        let renewed = cookie_of(&confirmed);
        let page = text_of(confirmed).await;
        let list = page.split("id=\"recovery-codes\"").nth(1).unwrap();
        let codes: Vec<String> = list
            .split("<li>")
            .skip(1)
            .map(|item| item.split('<').next().unwrap().to_owned())
            .collect();
        assert_eq!(codes.len(), 10, "{page}");
        (phone, codes, renewed)
    }

    fn of(page: &str) -> Self {
        let seed = page.split("id=\"seed\">").nth(1).unwrap();
        Self(seed.split('<').next().unwrap().replace(' ', ""))
    }

    /// The code so many steps from now.
    ///
    /// Sets the house's clock, so that the code of now stays that until it is asked for another.
    fn code(&self, house: &House, steps: i64) -> String {
        let at = house.clock.set() + SignedDuration::from_secs(steps * 30);
        let output = Command::new("oathtool")
            .args(["--totp", "--base32", &self.0, "--now"])
            .arg(at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
            .output()
            .expect("oathtool runs; install the package oathtool");
        let code = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        assert_eq!(code.len(), 6, "{}", String::from_utf8_lossy(&output.stderr));
        code
    }
}

/// Lets the last step be long ago, so that the code of now is good again.
async fn forget_steps(house: &House) {
    let owner = connect(&house.database.owner()).await.unwrap();
    owner
        .batch_execute("UPDATE app.totp SET last_step = 0")
        .await
        .unwrap();
}

async fn sign_in(house: &House, body: Json) -> (StatusCode, Json, Option<String>) {
    let request = Request::post("/api/v1/session").header(header::CONTENT_TYPE, "application/json");
    let answer = house.ask(request, body.to_string()).await;
    let status = answer.status();
    let cookie = answer
        .headers()
        .contains_key(header::SET_COOKIE)
        .then(|| cookie_of(&answer));
    let text = text_of(answer).await;
    (status, serde_json::from_str(&text).unwrap(), cookie)
}

fn credentials(more: &[(&str, &str)]) -> Json {
    let mut body = json!({ "email": "ann@north.example", "password": PASSWORD });
    for (name, value) in more {
        body[*name] = Json::from(*value);
    }
    body
}

#[tokio::test]
async fn a_code_opens_once_and_only_as_six_digits_of_now() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    let other = house.cookie().await;
    let (phone, _, renewed) = Phone::enrol(&house, &cookie).await;
    // The old secret and every other session are gone.
    for ended in [&cookie, &other] {
        assert_eq!(house.get("/deals", ended).await, StatusCode::SEE_OTHER);
    }
    assert_eq!(house.get("/deals", &renewed).await, StatusCode::OK);

    // The right password alone leads to the question, the wrong one to nothing that tells of it.
    let (status, said, cookie) = sign_in(&house, credentials(&[])).await;
    assert_eq!((status, cookie), (StatusCode::UNAUTHORIZED, None));
    assert_eq!(said["type"], "urn:fieldstone:problem:totp-required");
    let wrong = json!({ "email": "ann@north.example", "password": "not the password" });
    assert_eq!(
        sign_in(&house, wrong).await.1["type"],
        "urn:fieldstone:problem:wrong-password"
    );

    // The code that confirmed the seed counts as used.
    let code = phone.code(&house, 0);
    let (status, said, _) = sign_in(&house, credentials(&[("totp", &code)])).await;
    assert_eq!(
        (status, &said["type"]),
        (
            StatusCode::UNAUTHORIZED,
            &Json::from("urn:fieldstone:problem:wrong-code")
        )
    );
    forget_steps(&house).await;
    let full_width: String = phone
        .code(&house, 0)
        .chars()
        .map(|digit| char::from_u32(u32::from(digit) + 0xfee0).unwrap())
        .collect();
    for refused in [
        format!(" {}", phone.code(&house, 0)),
        format!("{} ", phone.code(&house, 0)),
        format!("{}\t", phone.code(&house, 0)),
        phone.code(&house, 0)[..5].to_owned(),
        format!("0{}", phone.code(&house, 0)),
        full_width,
        format!("{}\u{a0}", phone.code(&house, 0)),
        format!("{}\u{200b}", phone.code(&house, 0)),
        phone.code(&house, -1),
        phone.code(&house, 1),
    ] {
        // Not to be slowed down here.
        let house = house.rested().await;
        let (status, _, cookie) = sign_in(&house, credentials(&[("totp", &refused)])).await;
        assert_eq!(
            (status, cookie),
            (StatusCode::UNAUTHORIZED, None),
            "{refused:?}"
        );
    }
    let house = house.rested().await;
    let code = phone.code(&house, 0);
    let (status, _, cookie) = sign_in(&house, credentials(&[("totp", &code)])).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(house.get("/deals", &cookie.unwrap()).await, StatusCode::OK);
    let (status, ..) = sign_in(&house, credentials(&[("totp", &code)])).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "used");
}

#[tokio::test]
async fn the_pages_ask_for_the_code_in_a_step_of_its_own() {
    let house = House::new().await;
    let (phone, codes, _) = Phone::enrol(&house, &house.cookie().await).await;
    let form = "email=ann%40north.example&password=correct+horse+battery&to=%2Fdeals";
    let asked = house.sign_in(form).await;
    assert_eq!(
        asked.headers()[header::LOCATION],
        "/sign-in/code?to=%2Fdeals"
    );
    let step = cookie_of(&asked);
    assert!(step.starts_with("__Host-fieldstone-step="), "{step}");
    // It is no session.
    for path in ["/", "/deals", "/settings/profile"] {
        assert_eq!(
            house.get(path, &step).await,
            StatusCode::SEE_OTHER,
            "{path}"
        );
    }
    let forged = step.replace("-step", "");
    assert_eq!(house.get("/deals", &forged).await, StatusCode::SEE_OTHER);
    let page = house.page("/sign-in/code?to=%2Fdeals", &step).await;
    assert!(page.contains("autocomplete=\"one-time-code\""), "{page}");

    forget_steps(&house).await;
    let answer = house
        .post(
            "/sign-in/code",
            &step,
            format!("code={}&to=%2Fdeals", phone.code(&house, 0)),
        )
        .await;
    assert_eq!(answer.headers()[header::LOCATION], "/deals");
    assert_eq!(
        house.get("/deals", &cookie_of(&answer)).await,
        StatusCode::OK
    );
    // Once.
    let again = house
        .post("/sign-in/code", &step, format!("recovery={}", codes[0]))
        .await;
    assert_eq!(again.headers()[header::LOCATION], "/sign-in?after=late");

    // A recovery code, as people write it, once.
    let step = cookie_of(&house.sign_in(form).await);
    let written = format!("recovery={}", codes[0].to_uppercase().replace('-', "+"));
    let answer = house.post("/sign-in/code", &step, written.clone()).await;
    assert_eq!(
        house.get("/deals", &cookie_of(&answer)).await,
        StatusCode::OK
    );
    let step = cookie_of(&house.sign_in(form).await);
    let used = house.post("/sign-in/code", &step, written).await;
    assert_eq!(used.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn the_fifth_wrong_code_ends_the_sign_in() {
    let house = House::new().await;
    let (phone, ..) = Phone::enrol(&house, &house.cookie().await).await;
    forget_steps(&house).await;
    let form = "email=ann%40north.example&password=correct+horse+battery";
    let step = cookie_of(&house.sign_in(form).await);
    for _ in 0..5 {
        let wrong = house.post("/sign-in/code", &step, "code=0000000").await;
        assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    let right = format!("code={}", phone.code(&house, 0));
    let over = house.post("/sign-in/code", &step, right.clone()).await;
    assert_eq!(over.headers()[header::LOCATION], "/sign-in?after=late");

    // A new password in between ends it too.
    let house = house.rested().await;
    let step = cookie_of(&house.sign_in(form).await);
    let owner = connect(&house.database.owner()).await.unwrap();
    let changed = "SELECT app.set_password(tenant_id, user_id, password_phc) FROM app.user_secret";
    owner.execute(changed, &[]).await.unwrap();
    let over = house.post("/sign-in/code", &step, right).await;
    assert_eq!(over.headers()[header::LOCATION], "/sign-in?after=late");
}

#[tokio::test]
async fn codes_for_every_password_run_dry() {
    let house = House::new().await;
    Phone::enrol(&house, &house.cookie().await).await;
    let form = "email=ann%40north.example&password=correct+horse+battery";
    let mut wrong = 0;
    'guessing: for _ in 0..50 {
        let begun = house.sign_in(form).await;
        if begun.status() == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        let step = cookie_of(&begun);
        for _ in 0..5 {
            match house
                .post("/sign-in/code", &step, "code=000000")
                .await
                .status()
            {
                StatusCode::UNPROCESSABLE_ENTITY => wrong += 1,
                StatusCode::TOO_MANY_REQUESTS => break 'guessing,
                _ => break,
            }
        }
    }
    assert!((1..=10).contains(&wrong), "{wrong}");
}

#[tokio::test]
async fn removing_it_takes_password_and_code() {
    let house = House::new().await;
    let (phone, codes, cookie) = Phone::enrol(&house, &house.cookie().await).await;
    forget_steps(&house).await;
    let path = "/settings/two-step/removal";
    for form in [
        "password=correct+horse+battery".to_owned(),
        "password=correct+horse+battery&code=000000".to_owned(),
        format!("password=not+the+password&code={}", phone.code(&house, 0)),
        format!("code={}", phone.code(&house, 0)),
    ] {
        let refused = house.post(path, &cookie, form.clone()).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{form}");
    }
    let form = format!("password=correct+horse+battery&recovery={}", codes[3]);
    let removed = house.post(path, &cookie, form).await;
    assert_eq!(removed.status(), StatusCode::SEE_OTHER);
    assert_eq!(house.get("/deals", &cookie).await, StatusCode::SEE_OTHER);
    assert_eq!(
        house.get("/deals", &cookie_of(&removed)).await,
        StatusCode::OK
    );
    let (status, ..) = sign_in(&house, credentials(&[])).await;
    assert_eq!(status, StatusCode::CREATED);
    let owner = connect(&house.database.owner()).await.unwrap();
    let left = "SELECT (SELECT count(*) FROM app.totp) + (SELECT count(*) FROM app.recovery_code)";
    assert_eq!(
        owner.query_one(left, &[]).await.unwrap().get::<_, i64>(0),
        0
    );
}

#[tokio::test]
async fn the_seed_is_sealed_and_setting_up_asks_for_a_proof() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    let (phone, codes, renewed) = Phone::enrol(&house, &cookie).await;
    let owner = connect(&house.database.owner()).await.unwrap();
    let row = owner
        .query_one("SELECT seed FROM app.totp", &[])
        .await
        .unwrap();
    let seed: Vec<u8> = row.get(0);
    assert_eq!((seed[0], seed.len()), (1, 83 + 20));
    let dump = owner
        .query_one("SELECT coalesce(string_agg(e::text, ''), '') || (SELECT string_agg(r::text, '') FROM app.recovery_code r) FROM app.audit_event e", &[])
        .await
        .unwrap();
    let dump: String = dump.get(0);
    assert!(
        !dump.contains(&phone.0)
            && !dump.contains(&codes[0].replace('-', ""))
            && !dump.contains(&codes[0])
    );

    let stale = "UPDATE app.session SET proved_at = now() - interval '11 minutes'";
    owner.batch_execute(stale).await.unwrap();
    let house = house.restarted();
    let refused = house.post("/settings/two-step/codes", &renewed, "").await;
    assert_eq!(refused.status(), StatusCode::SEE_OTHER);
    let to = refused.headers()[header::LOCATION].to_str().unwrap();
    assert!(to.starts_with("/confirm?"), "{to}");
    // A code is a proof too.
    forget_steps(&house).await;
    let proven = house
        .post(
            "/confirm",
            &renewed,
            format!(
                "return_to=%2Fsettings%2Ftwo-step&code={}",
                phone.code(&house, 0)
            ),
        )
        .await;
    assert_eq!(proven.headers()[header::LOCATION], "/settings/two-step");
    let renewed = cookie_of(&proven);
    // However fresh the proof: without a code nobody gets what stands in for one, and those that there are stay good.
    for form in ["", "code=000000", "password=correct+horse+battery"] {
        let refused = house.post("/settings/two-step/codes", &renewed, form).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{form}");
    }
    let letters =
        "SELECT count(*) FROM app.letter WHERE content ->> 'kind' = 'recovery_codes_made'";
    let count = async || {
        owner
            .query_one(letters, &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
    };
    assert_eq!(count().await, 0);
    let form = format!("recovery={}", codes[0]);
    let fresh = text_of(house.post("/settings/two-step/codes", &renewed, form).await).await;
    assert!(fresh.contains("id=\"recovery-codes\"") && !fresh.contains(&codes[1]));
    assert_eq!(count().await, 1, "its owner is told");
    let form = format!("recovery={}", codes[1]);
    let spent = house.post("/settings/two-step/codes", &renewed, form).await;
    assert_eq!(spent.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_set_up_link_does_not_pass_by_the_second_factor() {
    let house = House::new().await;
    Phone::enrol(&house, &house.cookie().await).await;
    let link = house.setup_link("ann@north.example").await;
    let form =
        format!("link={link}&password=lanterns+over+the+harbour&repeat=lanterns+over+the+harbour");
    let answer = house.post("/set-up", "a=b", form).await;
    assert_eq!(answer.headers()[header::LOCATION], "/sign-in/code?to=%2F");
    assert!(cookie_of(&answer).starts_with("__Host-fieldstone-step="));
}
