//! A forgotten password.

use fieldstone_model::Role;
use http::{StatusCode, header};

use super::team::{Team, location};
use crate::gate::{PASSWORD, text_of};

const NEW_PASSWORD: &str = "a sentence of my own";

async fn ask(team: &Team, email: &str) -> (StatusCode, String) {
    let answer = team.send("/forgotten-password", &[("email", email)]).await;
    let status = answer.status();
    (status, text_of(answer).await.replace(email, "THEM"))
}

#[tokio::test]
async fn a_letter_sets_a_password_once_and_signs_nobody_in() {
    let mut team = Team::new().await;
    let before = team.cookie("ann").await;
    assert_eq!(ask(&team, " ANN@north.example").await.0, StatusCode::OK);
    let letter = team.letter().await;
    assert_eq!(
        (letter.to.as_str(), letter.subject.as_str()),
        ("ann@north.example", "A new password for North")
    );

    let page = team.open(letter.link()).await;
    assert_eq!(
        (page.status(), &page.headers()[header::REFERRER_POLICY]),
        (StatusCode::OK, &"strict-origin".parse().unwrap())
    );
    for weak in ["short", "ann@north.example1"] {
        let wrong = [
            ("link", letter.secret()),
            ("password", weak),
            ("repeat", weak),
        ];
        assert_eq!(
            team.send("/password-reset", &wrong).await.status(),
            StatusCode::UNPROCESSABLE_ENTITY,
            "{weak}"
        );
    }
    // An address in the body is nobody's: the link says whose password it is.
    team.add("bob", Role::Member).await;
    let form = [
        ("link", letter.secret()),
        ("password", NEW_PASSWORD),
        ("repeat", NEW_PASSWORD),
        ("email", "bob@north.example"),
    ];
    let done = team.send("/password-reset", &form).await;
    assert_eq!(
        (done.status(), location(&done)),
        (StatusCode::SEE_OTHER, "/sign-in?after=reset")
    );
    assert!(
        done.headers().get(header::SET_COOKIE).is_none(),
        "a letter replaces no second factor"
    );
    assert_eq!(
        team.house.get("/deals", &before).await,
        StatusCode::SEE_OTHER,
        "all sessions have ended"
    );
    assert_eq!(
        team.send("/password-reset", &form).await.status(),
        StatusCode::GONE
    );
    assert_eq!(team.open(letter.link()).await.status(), StatusCode::GONE);

    assert_eq!(
        team.try_sign_in("ann@north.example", PASSWORD)
            .await
            .status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        team.try_sign_in("ann@north.example", NEW_PASSWORD)
            .await
            .status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        team.try_sign_in("bob@north.example", PASSWORD)
            .await
            .status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(team.letter().await.subject, "Your password was changed");
    let events = team.events(7).await;
    assert!(
        events.contains(&"password.reset".to_owned())
            && events.contains(&"password.set".to_owned()),
        "{events:?}"
    );
}

#[tokio::test]
async fn known_and_unknown_addresses_are_answered_alike() {
    let mut team = Team::new().await;
    let bob = team.add("bob", Role::Member).await;
    team.text(&format!(
        "UPDATE app.\"user\" SET active = false WHERE id = '{bob}' RETURNING id"
    ))
    .await;
    let known = ask(&team, "ann@north.example").await;
    for email in [
        "nobody@north.example",
        "bob@north.example",
        "no address at all",
        &"x".repeat(300),
        "a\u{0}b",
    ] {
        let answer = ask(&team, email).await;
        assert_eq!(answer.0, known.0);
        if !email.contains('\u{0}') {
            assert_eq!(answer.1.len(), known.1.len(), "{email}");
        }
    }
    // What is written for each is the same row; who it is for is found out later.
    let rows = "SELECT count(*)::text FROM app.reset_request";
    assert_eq!(team.text(rows).await, "6");
    let letters = team.letters().await;
    assert_eq!(
        letters
            .iter()
            .map(|letter| letter.to.as_str())
            .collect::<Vec<_>>(),
        ["ann@north.example"]
    );
    assert_eq!(team.text(rows).await, "0");
    let elsewhere = [("email", "ann@north.example"), ("workspace", "south")];
    assert_eq!(
        team.send("/forgotten-password", &elsewhere).await.status(),
        StatusCode::OK
    );
    assert!(team.letters().await.is_empty());
    assert_eq!(
        team.send("/forgotten-password", &[("email", " ")])
            .await
            .status(),
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn nobody_is_flooded_with_letters() {
    let mut team = Team::new().await;
    for _ in 0..5 {
        ask(&team, "ann@north.example").await;
    }
    let letters = team.letters().await;
    assert_eq!(letters.len(), 3, "three in an hour");
    // Whoever asks again does not take away what the person holds in their hands.
    for letter in &letters {
        assert_eq!(team.open(letter.link()).await.status(), StatusCode::OK);
    }
    let mut slowed = false;
    for _ in 0..10 {
        let answer = team
            .send("/forgotten-password", &[("email", "ann@north.example")])
            .await;
        slowed |= answer.status() == StatusCode::TOO_MANY_REQUESTS
            && answer.headers().contains_key("retry-after");
    }
    assert!(slowed);
    // Asking uses up nobody's attempts to sign in.
    team.cookie("ann").await;

    // The password is set by one of them, and none of the others does it again.
    let form = |secret| {
        [
            ("link", secret),
            ("password", NEW_PASSWORD),
            ("repeat", NEW_PASSWORD),
        ]
    };
    assert_eq!(
        team.send("/password-reset", &form(letters[0].secret()))
            .await
            .status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        team.send("/password-reset", &form(letters[1].secret()))
            .await
            .status(),
        StatusCode::GONE
    );
}

#[tokio::test]
async fn a_link_is_good_for_an_hour_and_for_somebody_who_may_sign_in() {
    let mut team = Team::new().await;
    ask(&team, "ann@north.example").await;
    let letter = team.letter().await;
    let life = "SELECT (expires_at - created_at)::text FROM app.mail_link";
    assert_eq!(team.text(life).await, "01:00:00");
    team.text("UPDATE app.mail_link SET expires_at = now() RETURNING id")
        .await;
    assert_eq!(team.open(letter.link()).await.status(), StatusCode::GONE);

    let bob = team.add("bob", Role::Member).await;
    ask(&team, "bob@north.example").await;
    let letter = team.letter().await;
    assert_eq!(team.open(letter.link()).await.status(), StatusCode::OK);
    for active in [false, true] {
        team.text(&format!(
            "UPDATE app.\"user\" SET active = {active} WHERE id = '{bob}' RETURNING id"
        ))
        .await;
        assert_eq!(
            team.open(letter.link()).await.status(),
            StatusCode::GONE,
            "also once they are back"
        );
    }
    for path in ["/password-reset", "/invitation", "/email-change"] {
        for link in [
            "",
            "?link=",
            "?link=x",
            "?link=%00",
            &format!("?link={}", "A".repeat(43)),
        ] {
            assert_eq!(
                team.open(&format!("{path}{link}")).await.status(),
                StatusCode::GONE,
                "{path}{link}"
            );
        }
    }
    // One kind of link opens no other page.
    ask(&team, "bob@north.example").await;
    let letter = team.letter().await;
    for path in ["/invitation", "/email-change"] {
        assert_eq!(
            team.open(&format!("{path}?link={}", letter.secret()))
                .await
                .status(),
            StatusCode::GONE
        );
    }
}

#[tokio::test]
async fn a_letter_ends_tokens_when_asked() {
    let mut team = Team::new().await;
    for (end, left) in [
        (None, StatusCode::OK),
        (Some("yes"), StatusCode::UNAUTHORIZED),
    ] {
        let house = team.house.restarted();
        let link = team.house.setup_link("ann@north.example").await;
        let form =
            format!("link={link}&password=correct+horse+battery&repeat=correct+horse+battery");
        let cookie = crate::gate::cookie_of(&house.post("/set-up", "", form).await);
        let token = house.token(&cookie).await;
        assert_eq!(ask(&team, "ann@north.example").await.0, StatusCode::OK);
        let letters = team.letters().await;
        let letter = letters.iter().find(|letter| letter.link.is_some()).unwrap();
        let mut form = vec![
            ("link", letter.secret()),
            ("password", NEW_PASSWORD),
            ("repeat", NEW_PASSWORD),
        ];
        form.extend(end.map(|end| ("end_tokens", end)));
        let done = team.send("/password-reset", &form).await;
        assert_eq!(done.status(), StatusCode::SEE_OTHER);
        assert_eq!(
            house.call("/api/v1/records/account", &token).await,
            left,
            "{end:?}"
        );
    }
}
