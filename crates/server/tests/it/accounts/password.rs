//! Changing one's own password.

use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use fieldstone_server::database::connect;
use fieldstone_server::identity::{PasswordHasher, PasswordPolicy};
use http::{Request, StatusCode, header};
use secrecy::SecretString;
use serde_json::Value as Json;

use crate::gate::{House, cookie_of, text_of};

const NEW: &str = "lanterns+over+the+harbour";

fn form(present: &str, new: &str, repeat: &str) -> String {
    format!("present={present}&new={new}&repeat={repeat}")
}

#[tokio::test]
async fn a_new_password_ends_every_other_session() {
    let house = House::new().await;
    let (here, elsewhere) = (house.cookie().await, house.cookie().await);
    assert_eq!(house.get("/deals", &elsewhere).await, StatusCode::OK);

    let present = "correct+horse+battery";
    let changed = house
        .post("/settings/password", &here, form(present, NEW, NEW))
        .await;
    assert_eq!(changed.status(), StatusCode::SEE_OTHER);
    let renewed = cookie_of(&changed);
    for ended in [&here, &elsewhere] {
        assert_eq!(house.get("/deals", ended).await, StatusCode::SEE_OTHER);
    }
    let to = changed.headers()[header::LOCATION].to_str().unwrap();
    let page = house.page(to, &renewed).await;
    assert!(page.contains("Password changed."), "{page}");

    let old = house
        .sign_in(format!("email=ann%40north.example&password={present}"))
        .await;
    assert_eq!(old.status(), StatusCode::UNAUTHORIZED);
    let new = house
        .sign_in(format!("email=ann%40north.example&password={NEW}"))
        .await;
    assert_eq!(new.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn what_is_refused_says_why_and_changes_nothing() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    let present = "correct+horse+battery";
    for (form, said) in [
        (
            form("not+the+password", NEW, NEW),
            "That isn’t your password.",
        ),
        (
            form(present, NEW, "something+else"),
            "The two passwords differ.",
        ),
        (form(present, "short", "short"), "at least 12 characters"),
        (
            form(present, "ann%40north.example", "ann%40north.example"),
            "something other than your name",
        ),
        (
            form(present, "password1234", "password1234"),
            "Many people use this password",
        ),
        (
            form(present, present, present),
            "This is the password you have.",
        ),
    ] {
        let refused = house
            .post("/settings/password", &cookie, form.clone())
            .await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        let page = text_of(refused).await;
        assert!(page.contains(said), "{form}: {page}");
        assert!(!page.contains("correct horse"), "a password is shown");
    }
    assert_eq!(house.get("/deals", &cookie).await, StatusCode::OK);
}

/// The reference implementation finds the same hash for the same password, salt and cost.
#[tokio::test]
async fn the_reference_implementation_reproduces_a_hash() {
    let hasher = PasswordHasher::new(&PasswordPolicy::default()).unwrap();
    // The tool takes the salt as an argument, which no zero byte can be in: then another salt is made.
    let (stored, salt) = loop {
        let password = SecretString::from("lanterns over the harbour");
        let stored = hasher.hash(&password).await.unwrap();
        let parts: Vec<&str> = stored.split('$').collect();
        let [_, "argon2id", "v=19", "m=65536,t=3,p=1", salt, _] = parts.as_slice() else {
            panic!("{stored}");
        };
        let salt = STANDARD_NO_PAD.decode(salt).unwrap();
        if !salt.contains(&0) {
            break (stored, salt);
        }
    };
    let mut child = Command::new("argon2")
        .arg(std::ffi::OsStr::from_bytes(&salt))
        .args([
            "-id", "-v", "13", "-t", "3", "-k", "65536", "-p", "1", "-l", "32", "-e",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("argon2 runs; install the package argon2");
    std::io::Write::write_all(
        &mut child.stdin.take().unwrap(),
        b"lanterns over the harbour",
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), stored);
}

/// A hash that was made more cheaply is made anew at the next sign-in.
#[tokio::test]
async fn a_cheaper_hash_is_replaced_at_sign_in() {
    let house = House::new().await;
    let owner = connect(&house.database.owner()).await.unwrap();
    let cheap = PasswordHasher::new(&PasswordPolicy {
        memory_kib: 12_288,
        passes: 3,
        ..PasswordPolicy::default()
    });
    let phc = cheap
        .unwrap()
        .hash(&SecretString::from("correct horse battery"))
        .await
        .unwrap();
    owner
        .execute("UPDATE app.user_secret SET password_phc = $1", &[&phc])
        .await
        .unwrap();
    house.cookie().await;
    let row = owner
        .query_one("SELECT password_phc FROM app.user_secret", &[])
        .await
        .unwrap();
    assert!(
        row.get::<_, &str>(0)
            .starts_with("$argon2id$v=19$m=65536,t=3,p=1$")
    );
    house.cookie().await;
}

/// Signs the field app in; answers its access token.
async fn device(house: &House, cookie: &str) -> String {
    let request = Request::post("/api/v1/oauth/grants")
        .header("sec-fetch-site", "same-origin")
        .header(header::COOKIE, cookie)
        .header(header::CONTENT_TYPE, "application/json");
    let answer = house
        .ask(request, r#"{"client_id":"fieldstone-device"}"#)
        .await;
    let answer: Json = serde_json::from_str(&text_of(answer).await).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_new_password_signs_devices_out_and_ends_tokens_when_asked() {
    const ACCOUNTS: &str = "/api/v1/records/account";
    let house = House::new().await;
    let mut cookie = house.cookie().await;
    let token = house.token(&cookie).await;
    let mut present = "correct+horse+battery".to_owned();
    for (at, (end, left)) in [
        ("", StatusCode::OK),
        ("&end_tokens=yes", StatusCode::UNAUTHORIZED),
    ]
    .into_iter()
    .enumerate()
    {
        let page = house.page("/settings/password", &cookie).await;
        assert!(
            page.contains("a program") && page.contains("name=\"end_tokens\""),
            "{page}"
        );
        let access = device(&house, &cookie).await;
        assert_eq!(house.call(ACCOUNTS, &access).await, StatusCode::OK);
        let new = format!("{NEW}+{at}");
        let form = format!("{}{end}", form(&present, &new, &new));
        let changed = house.post("/settings/password", &cookie, form).await;
        assert_eq!(changed.status(), StatusCode::SEE_OTHER);
        cookie = cookie_of(&changed);
        present = new;
        assert_eq!(
            house.call(ACCOUNTS, &access).await,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(house.call(ACCOUNTS, &token).await, left, "{end:?}");
    }
    let page = house.page("/settings/password", &cookie).await;
    assert!(
        !page.contains("name=\"end_tokens\""),
        "there is nothing to end"
    );

    // By the API, too.
    let token = house.token(&cookie).await;
    let change = async |body: &str| {
        let request = Request::post("/api/v1/session/password")
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/json");
        house.ask(request, body.to_owned()).await.status()
    };
    let present = present.replace('+', " ");
    let body = |flag: &str| {
        format!(
            r#"{{"present":"{present}","new":"one more sentence of mine","end_tokens":{flag}}}"#
        )
    };
    assert_eq!(
        change(&body("\"yes\"")).await,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    assert_eq!(house.call(ACCOUNTS, &token).await, StatusCode::OK);
    assert_eq!(change(&body("true")).await, StatusCode::NO_CONTENT);
    assert_eq!(house.call(ACCOUNTS, &token).await, StatusCode::UNAUTHORIZED);
}
