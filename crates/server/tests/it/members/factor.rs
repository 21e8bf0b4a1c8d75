//! Somebody's second factor, as they and those who manage people see it: who may take it, and who is told.

use fieldstone_model::Role;
use http::StatusCode;
use serde_json::json;

use super::team::{Team, location};
use crate::accounts::two_step::Phone;
use crate::gate::text_of;

#[tokio::test]
async fn a_lost_factor_is_taken_by_another_and_its_owner_is_told() {
    let mut team = Team::new().await;
    let bob = team.add("bob", Role::Member).await;
    team.add("carl", Role::Admin).await;
    let (ann, carl, cookie) = (
        team.cookie("ann").await,
        team.cookie("carl").await,
        team.cookie("bob").await,
    );
    let (_, codes, cookie) = Phone::enrol(&team.house, &cookie).await;
    let letter = team.letter().await;
    assert_eq!(
        (letter.to.as_str(), letter.subject.as_str()),
        ("bob@north.example", "Two-step sign-in is on")
    );
    let (_, listed) = team
        .call(&carl, "GET", "/members?search=bob", json!(null))
        .await;
    assert_eq!(listed["members"][0]["second_factor"], true);
    let list = team.house.page("/settings/members", &carl).await;
    assert!(
        list.contains("Two steps") && list.contains(">On<"),
        "{list}"
    );

    // A recovery code is used: that is told, too.
    let asked = team
        .try_sign_in("bob@north.example", crate::gate::PASSWORD)
        .await;
    let step = crate::gate::cookie_of(&asked);
    let form = [("recovery", codes[0].as_str())];
    assert_eq!(
        team.submit(&step, "/sign-in/code", &form).await.status(),
        StatusCode::SEE_OTHER
    );
    let letter = team.letter().await;
    assert_eq!(letter.subject, "A recovery code was used");
    assert!(letter.text.contains("9 are left"), "{}", letter.text);

    let path = format!("/settings/members/{bob}");
    let page = team.house.page(&path, &carl).await;
    assert!(page.contains("Remove their authenticator app"), "{page}");
    let reset = format!("{path}/two-step-reset");
    let done = team.submit(&carl, &reset, &[]).await;
    assert_eq!(
        (done.status(), location(&done)),
        (
            StatusCode::SEE_OTHER,
            format!("{path}?notice=two-step-reset").as_str()
        )
    );
    let letter = team.letter().await;
    assert_eq!(
        (letter.to.as_str(), letter.subject.as_str()),
        ("bob@north.example", "Your second factor was removed")
    );
    assert!(
        letter.text.contains("carl removed the authenticator app"),
        "{}",
        letter.text
    );
    assert_eq!(
        team.house.get("/deals", &cookie).await,
        StatusCode::SEE_OTHER
    );
    team.cookie("bob").await;
    assert!(team.events(3).await.contains(&"totp.reset".to_owned()));
    let page = team.house.page(&path, &carl).await;
    assert!(
        !page.contains("two-step-reset\""),
        "there is none any more: {page}"
    );
    assert_eq!(
        team.submit(&carl, &reset, &[]).await.status(),
        StatusCode::NOT_FOUND
    );
    drop(ann);
}

#[tokio::test]
async fn nobody_takes_their_own_or_that_of_somebody_above() {
    let mut team = Team::new().await;
    let carl = team.add("carl", Role::Admin).await;
    let admin = team.cookie("carl").await;
    let owner = team.cookie("ann").await;
    let (_, _, owner) = Phone::enrol(&team.house, &owner).await;
    let ann = team.house.id_of("ann@north.example").await;
    let page = team
        .house
        .page(&format!("/settings/members/{ann}"), &admin)
        .await;
    assert!(!page.contains("two-step-reset"), "{page}");
    let reset = async |cookie: &str, id: &str| {
        let path = format!("/settings/members/{id}/two-step-reset");
        let answer = team.submit(cookie, &path, &[]).await;
        let status = answer.status();
        (status, text_of(answer).await)
    };
    assert_eq!(reset(&admin, &ann).await.0, StatusCode::FORBIDDEN);
    assert_eq!(reset(&owner, &ann).await.0, StatusCode::FORBIDDEN);
    let path = format!("/users/{ann}/totp-reset");
    assert_eq!(
        team.call(&admin, "POST", &path, json!({})).await.0,
        StatusCode::FORBIDDEN
    );
    assert_eq!(reset(&owner, carl.as_str()).await.0, StatusCode::NOT_FOUND);
    assert_eq!(team.text("SELECT count(*)::text FROM app.totp").await, "1");
}
