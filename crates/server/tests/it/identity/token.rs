//! API tokens: made under a context, recognised, and ended.

use fieldstone_model::Role;
use fieldstone_server::identity::{IdentityError, authenticate::Credential, token};
use http::{HeaderMap, header};
use jiff::SignedDuration;

use super::people::{People, SECRET, browser};
use crate::tenancy::workspaces::{code, now};

fn bearer(text: &str) -> HeaderMap {
    HeaderMap::from_iter([(
        header::AUTHORIZATION,
        format!("Bearer {text}").parse().unwrap(),
    )])
}

#[tokio::test]
async fn a_token_acts_for_its_owner_until_it_ends() {
    let mut people = People::new().await;
    let (tenant, _) = people.workspace("acme", "ann@acme.example").await;
    let bob = people.user(tenant, "bob@acme.example", Role::Member).await;
    let started = people
        .sign_in("bob@acme.example", SECRET, None)
        .await
        .unwrap();
    let identity = people.recognise(&browser(&started)).await.unwrap();
    let app = people.workspaces.app().await;

    app.begin(&identity.actor).await.unwrap();
    let expires = now() + SignedDuration::from_hours(1);
    let (id, secret) = token::add(
        &app.client,
        &people.ids,
        "nightly",
        &["records.read"],
        expires,
        now(),
    )
    .await
    .unwrap();
    app.client.batch_execute("COMMIT").await.unwrap();

    let by_token = people.recognise(&bearer(secret.expose())).await.unwrap();
    assert_eq!(
        (by_token.actor.user, by_token.actor.credential),
        (bob, Some(id))
    );
    assert_eq!(
        by_token.credential,
        Credential::ApiToken {
            scopes: vec!["records.read".to_owned()]
        }
    );
    app.begin(&by_token.actor).await.unwrap();
    let listed = token::list(&app.client).await.unwrap();
    assert_eq!(
        listed
            .iter()
            .map(|token| (token.id, token.name.as_str()))
            .collect::<Vec<_>>(),
        [(id, "nightly")]
    );
    assert!(secret.expose().starts_with(&listed[0].prefix) && listed[0].prefix.len() == 8);
    app.client.batch_execute("COMMIT").await.unwrap();

    // Nobody else ends it, not even the workspace's owner by guessing its id.
    let ann = people
        .sign_in("ann@acme.example", SECRET, None)
        .await
        .unwrap();
    let ann = people.recognise(&browser(&ann)).await.unwrap();
    app.begin(&ann.actor).await.unwrap();
    assert!(!token::end(&app.client, id).await.unwrap());
    app.rollback().await;

    app.begin(&identity.actor).await.unwrap();
    assert!(token::end(&app.client, id).await.unwrap());
    app.client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(code(&app.begin(&by_token.actor).await), "FS001");
    assert!(matches!(
        people.authenticator.renew(&by_token, now()).await,
        Err(IdentityError::Unauthenticated)
    ));
    for wrong in ["", "fst_", secret.expose()] {
        assert!(matches!(
            people.recognise(&bearer(wrong)).await,
            Err(IdentityError::Unauthenticated)
        ));
    }
}

#[tokio::test]
async fn a_session_secret_is_no_token_and_the_other_way_round() {
    let mut people = People::new().await;
    people.workspace("acme", "ann@acme.example").await;
    let started = people
        .sign_in("ann@acme.example", SECRET, None)
        .await
        .unwrap();
    let cookie = browser(&started);
    let secret = cookie[header::COOKIE]
        .to_str()
        .unwrap()
        .split_once('=')
        .unwrap()
        .1
        .to_owned();
    assert!(people.recognise(&cookie).await.is_ok());
    assert!(matches!(
        people.recognise(&bearer(&secret)).await,
        Err(IdentityError::Unauthenticated)
    ));
    let mut both = cookie;
    both.insert(header::AUTHORIZATION, "Bearer nonsense".parse().unwrap());
    assert!(
        matches!(
            people.recognise(&both).await,
            Err(IdentityError::Unauthenticated)
        ),
        "a token that is no good is not made good by a cookie"
    );
}
