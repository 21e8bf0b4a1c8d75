//! Another e-mail address.

use fieldstone_model::Role;
use http::StatusCode;
use serde_json::json;

use super::team::{Letter, Team, location};
use crate::gate::{PASSWORD, text_of};

async fn ask(team: &mut Team, cookie: &str, email: &str) -> (Letter, Letter) {
    let answer = team
        .submit(cookie, "/settings/membership/email", &[("email", email)])
        .await;
    assert_eq!(location(&answer), "/settings/membership?notice=email-asked");
    let mut letters = team.letters().await;
    assert_eq!(letters.len(), 2, "{letters:?}");
    let at = letters
        .iter()
        .position(|letter| letter.to == email)
        .unwrap();
    let new = letters.remove(at);
    (new, letters.remove(0))
}

async fn answer(team: &Team, letter: &Letter, answer: &str) -> (StatusCode, String) {
    let form = [("link", letter.secret()), ("answer", answer)];
    let response = team.send("/email-change", &form).await;
    (response.status(), text_of(response).await)
}

#[tokio::test]
async fn both_addresses_have_to_confirm() {
    let mut team = Team::new().await;
    let cookie = team.cookie("ann").await;
    let (new, old) = ask(&mut team, &cookie, "ann@new.example").await;
    assert_eq!(old.to, "ann@north.example");
    assert!(old.text.contains("ann@new.example"));
    let page = text_of(team.open(old.link()).await).await;
    assert!(
        page.contains("confirmed at both addresses") && page.contains("value=\"stop\""),
        "{page}"
    );
    let page = text_of(team.open(new.link()).await).await;
    assert!(
        page.contains("confirmed at both addresses") && !page.contains("value=\"stop\""),
        "{page}"
    );

    let (status, said) = answer(&team, &new, "confirm").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        said.contains("Now answer the letter to ann@north.example"),
        "{said}"
    );
    assert_eq!(
        team.try_sign_in("ann@new.example", PASSWORD).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        answer(&team, &new, "confirm").await.0,
        StatusCode::GONE,
        "each link works once"
    );
    let waiting = team.house.page("/settings/membership", &cookie).await;
    assert!(
        waiting.contains(">Confirmed<") && waiting.contains(">Waiting<"),
        "{waiting}"
    );

    // A letter for a new password, sent to the old address before the change, must not outlive it.
    team.send("/forgotten-password", &[("email", "ann@north.example")])
        .await;
    let reset = team.letter().await;
    let (status, said) = answer(&team, &old, "confirm").await;
    assert!(
        status.is_success() && said.contains("From now on, sign in with ann@new.example"),
        "{said}"
    );
    assert_eq!(team.open(reset.link()).await.status(), StatusCode::GONE);
    assert_eq!(
        team.try_sign_in("ann@north.example", PASSWORD)
            .await
            .status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        team.try_sign_in("ann@new.example", PASSWORD).await.status(),
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        team.house.get("/deals", &cookie).await,
        StatusCode::OK,
        "the session goes on"
    );
    let told = team.letter().await;
    assert_eq!(
        (told.to.as_str(), told.subject.as_str()),
        ("ann@north.example", "Your address for North has changed")
    );
    let events = team.events(6).await;
    assert!(events.contains(&"email.change".to_owned()), "{events:?}");
}

#[tokio::test]
async fn the_present_address_can_stop_it_and_the_new_one_cannot() {
    let mut team = Team::new().await;
    let cookie = team.cookie("ann").await;
    let (new, old) = ask(&mut team, &cookie, "ann@new.example").await;
    assert_eq!(answer(&team, &new, "stop").await.0, StatusCode::GONE);
    assert_eq!(answer(&team, &new, "confirm").await.0, StatusCode::OK);
    let (_, said) = answer(&team, &old, "stop").await;
    assert!(said.contains("Stopped."), "{said}");
    assert_eq!(answer(&team, &old, "confirm").await.0, StatusCode::GONE);
    assert_eq!(
        team.text("SELECT email FROM app.\"user\"").await,
        "ann@north.example"
    );

    // Asking again ends what was asked before; a new password and the person themselves end it too.
    let (first, _) = ask(&mut team, &cookie, "ann@first.example").await;
    let (second, second_old) = ask(&mut team, &cookie, "ann@second.example").await;
    assert_eq!(answer(&team, &first, "confirm").await.0, StatusCode::GONE);
    assert_eq!(team.open(second.link()).await.status(), StatusCode::OK);
    assert_eq!(
        team.submit(
            &cookie,
            "/settings/membership/email",
            &[("email", "ann@third.example")]
        )
        .await
        .status(),
        StatusCode::UNPROCESSABLE_ENTITY,
        "three in an hour"
    );
    let stopped = team
        .submit(&cookie, "/settings/membership/email/stop", &[])
        .await;
    assert_eq!(stopped.status(), StatusCode::SEE_OTHER);
    for letter in [&second, &second_old] {
        assert_eq!(answer(&team, letter, "confirm").await.0, StatusCode::GONE);
    }
}

#[tokio::test]
async fn a_new_password_stops_a_change_that_somebody_else_began() {
    let mut team = Team::new().await;
    let cookie = team.cookie("ann").await;
    let (new, _) = ask(&mut team, &cookie, "ann@new.example").await;
    let phc = team.text("SELECT password_phc FROM app.user_secret").await;
    team.owner
        .execute(
            "SELECT app.set_password($1, (SELECT id FROM app.\"user\"), $2)",
            &[&team.tenant.as_str(), &phc],
        )
        .await
        .unwrap();
    assert_eq!(team.open(new.link()).await.status(), StatusCode::GONE);
}

#[tokio::test]
async fn an_address_is_one_persons_within_the_workspace() {
    let mut team = Team::new().await;
    team.add("bob", Role::Member).await;
    let cookie = team.cookie("ann").await;
    for (email, text) in [
        (
            "Bob@north.example",
            "This address is in use in this workspace.",
        ),
        ("ANN@north.example", "This is your address already."),
        ("nobody", "Enter an e-mail address."),
        (
            "a@x.example\r\nBcc: b@x.example",
            "Enter an e-mail address.",
        ),
    ] {
        let refused = team
            .submit(&cookie, "/settings/membership/email", &[("email", email)])
            .await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let page = text_of(refused).await;
        assert!(page.contains(text), "{email}: {page}");
    }
    assert!(team.letters().await.is_empty());

    // Somebody takes it while the letters are on their way.
    let (new, old) = ask(&mut team, &cookie, "carl@north.example").await;
    answer(&team, &new, "confirm").await;
    team.add("carl", Role::Viewer).await;
    let (status, said) = answer(&team, &old, "confirm").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(
        said.contains("You go on signing in with ann@north.example"),
        "{said}"
    );
    assert_eq!(
        team.text(
            "SELECT string_agg(email, ' ' ORDER BY id) FROM app.\"user\" WHERE role = 'owner'"
        )
        .await,
        "ann@north.example"
    );
}

#[tokio::test]
async fn only_ones_own_address_is_changed_and_only_with_a_recent_proof() {
    let mut team = Team::new().await;
    let bob = team.add("bob", Role::Viewer).await;
    let cookie = team.cookie("bob").await;
    let (status, own) = team.call(&cookie, "GET", "/membership", json!(null)).await;
    assert_eq!(
        (status, &own["email"]),
        (StatusCode::OK, &json!("bob@north.example"))
    );
    let other = json!({ "email": "new@north.example", "user_id": bob });
    assert_eq!(
        team.call(&cookie, "POST", "/membership/email-change", other)
            .await
            .0,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    team.text("UPDATE app.session SET proved_at = now() - interval '1 hour' RETURNING id")
        .await;
    // The server remembers for a moment what it looked up; another one would not.
    let fresh = team.cookie("ann").await;
    team.text("UPDATE app.session SET proved_at = now() - interval '1 hour' RETURNING id")
        .await;
    let unproven = team
        .submit(
            &fresh,
            "/settings/membership/email",
            &[("email", "ann@new.example")],
        )
        .await;
    assert_eq!(unproven.status(), StatusCode::SEE_OTHER);
    assert!(
        location(&unproven).starts_with("/confirm?return_to="),
        "{}",
        location(&unproven)
    );
    assert!(team.letters().await.is_empty());
}
