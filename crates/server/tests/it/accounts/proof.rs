//! Proving oneself again: the old session ends, the new one is proven, and guessing is counted.

use fieldstone_server::database::connect;
use fieldstone_server::identity::{IdentityError, proof::Proof};
use http::{HeaderMap, Request, StatusCode, header};
use secrecy::SecretString;

use crate::gate::{House, PASSWORD, cookie_of};
use crate::identity::people::{People, SECRET, browser};
use crate::tenancy::workspaces::{code, now};

const AGE: &str = "UPDATE app.session SET proved_at = now() - interval '11 minutes'";

#[tokio::test]
async fn an_old_proof_is_renewed_with_the_password() {
    let mut people = People::new().await;
    people.workspace("acme", "ann@acme.example").await;
    let started = people
        .sign_in("ann@acme.example", SECRET, None)
        .await
        .unwrap();
    people.owner.execute(AGE, &[]).await.unwrap();
    let identity = people.recognise(&browser(&started)).await.unwrap();
    assert!(matches!(
        identity.require_recent_proof(now()),
        Err(IdentityError::ProofNeeded)
    ));

    let here = [192, 0, 2, 7].into();
    let wrong = SecretString::from("not the password");
    let refused = people
        .sign_in
        .prove(&identity, Proof::Password(&wrong), here, now())
        .await;
    assert!(matches!(refused, Err(IdentityError::WrongPassword)));
    let right = SecretString::from(SECRET);
    let token = people
        .sign_in
        .prove(&identity, Proof::Password(&right), here, now())
        .await
        .unwrap();

    let cookie = token.set_cookie();
    let cookie = cookie.split(';').next().unwrap();
    let headers = HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())]);
    let renewed = people.recognise(&headers).await.unwrap();
    assert!(renewed.require_recent_proof(now()).is_ok());
    assert_ne!(renewed.actor.credential, identity.actor.credential);
    // The secret from before opens nothing, even where it is remembered.
    let app = people.workspaces.app().await;
    assert_eq!(code(&app.begin(&identity.actor).await), "FS001");
    app.rollback().await;
    assert!(app.begin(&renewed.actor).await.is_ok());
    app.rollback().await;
    // Nor does it make another session.
    let again = people
        .sign_in
        .prove(&identity, Proof::Password(&right), here, now())
        .await;
    assert!(matches!(again, Err(IdentityError::Unauthenticated)));
}

#[tokio::test]
async fn guessing_at_a_stolen_session_runs_dry() {
    let mut people = People::new().await;
    people.workspace("acme", "ann@acme.example").await;
    let started = people
        .sign_in("ann@acme.example", SECRET, None)
        .await
        .unwrap();
    let identity = people.recognise(&browser(&started)).await.unwrap();
    let wrong = SecretString::from("not the password");
    let mut tries = 0;
    loop {
        let here = [192, 0, 2, 8].into();
        match people
            .sign_in
            .prove(&identity, Proof::Password(&wrong), here, now())
            .await
        {
            Err(IdentityError::WrongPassword) => tries += 1,
            Err(IdentityError::Throttled { .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(tries <= 10, "{tries}");
}

#[tokio::test]
async fn the_page_leads_back_and_nowhere_else() {
    let house = House::new().await;
    let owner = connect(&house.database.owner()).await.unwrap();
    let mut cookie = house.cookie().await;
    for (to, location) in [
        ("%2Fdeals%3Fsort%3Dname", "/deals?sort=name"),
        ("%2F%2Fevil.example", "/"),
        ("https%3A%2F%2Fevil.example", "/"),
    ] {
        let page = house
            .page(&format!("/confirm?return_to={to}"), &cookie)
            .await;
        assert!(page.contains(&format!("name=\"return_to\" value=\"{location}\"")));
        let wrong = format!("return_to={to}&password=not+the+password");
        let wrong = house.post("/confirm", &cookie, wrong).await;
        assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
        let right = format!("return_to={to}&password=correct+horse+battery");
        let right = house.post("/confirm", &cookie, right).await;
        assert_eq!(right.status(), StatusCode::SEE_OTHER);
        assert_eq!(right.headers()[header::LOCATION], location);
        let renewed = cookie_of(&right);
        assert_ne!(renewed, cookie);
        assert_eq!(house.get("/deals", &cookie).await, StatusCode::SEE_OTHER);
        assert_eq!(house.get("/deals", &renewed).await, StatusCode::OK);
        cookie = renewed;
    }
    let events = "SELECT count(*) FROM app.audit_event WHERE action = $1";
    for (action, number) in [("proof.give", 3_i64), ("proof.refuse", 3)] {
        let row = owner.query_one(events, &[&action]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), number, "{action}");
    }
}

#[tokio::test]
async fn a_program_with_a_session_proves_itself_too() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    let ask = |body: String| {
        let request = Request::post("/api/v1/session/proof")
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, &cookie)
            .header(header::CONTENT_TYPE, "application/json");
        house.ask(request, body)
    };
    let wrong = ask(r#"{"password":"not the password"}"#.to_owned()).await;
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN);
    let unreadable = ask(r#"{"password":7}"#.to_owned()).await;
    assert_eq!(unreadable.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let right = ask(format!(r#"{{"password":"{PASSWORD}"}}"#)).await;
    assert_eq!(right.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        house.get("/deals", &cookie_of(&right)).await,
        StatusCode::OK
    );
    assert_eq!(house.get("/deals", &cookie).await, StatusCode::SEE_OTHER);
}
