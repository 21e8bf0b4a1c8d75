//! Signing in, being recognised, and no longer being.

use fieldstone_model::Role;
use fieldstone_server::identity::workspace::{self, make_setup_link};
use fieldstone_server::identity::{IdentityError, session, sign_in::Begun, strength::Weakness};
use http::{HeaderMap, Method};
use jiff::SignedDuration;
use secrecy::SecretString;

use super::people::{People, SECRET, browser, new_user};
use crate::tenancy::workspaces::{code, now};

const USERS: &str = "SELECT count(*) FROM app.\"user\"";

#[tokio::test]
async fn a_person_signs_in_works_and_signs_out() {
    let mut people = People::new().await;
    let (tenant, user) = people.workspace("acme", "ann@acme.example").await;
    let started = people
        .sign_in(" Ann@ACME.example", SECRET, None)
        .await
        .unwrap();
    assert_eq!((started.tenant, started.user), (tenant, user));

    let identity = people.recognise(&browser(&started)).await.unwrap();
    assert_eq!(
        (
            identity.actor.tenant,
            identity.actor.user,
            identity.actor.role
        ),
        (tenant, user, Role::Owner)
    );
    let app = people.workspaces.app().await;
    app.begin(&identity.actor).await.unwrap();
    assert_eq!(app.count(USERS).await.unwrap(), 1);
    app.rollback().await;

    assert!(
        session::end(&people.auth, tenant, started.session)
            .await
            .unwrap()
    );
    assert!(
        !session::end(&people.auth, tenant, started.session)
            .await
            .unwrap()
    );
    // Another process may still remember the session; the database does not.
    assert!(people.recognise(&browser(&started)).await.is_ok());
    assert_eq!(code(&app.begin(&identity.actor).await), "FS001");
    assert!(matches!(
        people.authenticator.renew(&identity, now()).await,
        Err(IdentityError::Unauthenticated)
    ));
    assert!(matches!(
        people.recognise(&browser(&started)).await,
        Err(IdentityError::Unauthenticated)
    ));
}

#[tokio::test]
async fn wrong_and_unknown_are_answered_alike() {
    let mut people = People::new().await;
    people.workspace("acme", "ann@acme.example").await;
    for (email, password, slug) in [
        ("ann@acme.example", "correct horse batterY", None),
        ("nobody@acme.example", SECRET, None),
        ("ann@acme.example", SECRET, Some("elsewhere")),
        ("ann@acme.example", "", None),
        ("ann@acme.example\0", SECRET, None),
        ("", "", Some("")),
    ] {
        let answer = people.sign_in(email, password, slug).await;
        assert!(
            matches!(answer, Err(IdentityError::WrongPassword)),
            "{email:?} {answer:?}"
        );
    }
    // Noted without being waited for; only the person who exists has a log to note it in.
    let sql = "SELECT count(*) FROM app.audit_event WHERE action = 'session.refuse'";
    while people
        .owner
        .query_one(sql, &[])
        .await
        .unwrap()
        .get::<_, i64>(0)
        < 2
    {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn guessing_is_slowed_down_whatever_the_case_of_the_address() {
    let mut people = People::new().await;
    people.workspace("acme", "ann@acme.example").await;
    let mut slowed = false;
    for n in 0..12 {
        let email = if n % 2 == 0 {
            "ann@acme.example"
        } else {
            "ANN@acme.example"
        };
        slowed |= matches!(
            people.sign_in(email, "not the password", None).await,
            Err(IdentityError::Throttled { .. })
        );
    }
    assert!(slowed);
    assert!(matches!(
        people.sign_in("ann@acme.example", SECRET, None).await,
        Err(IdentityError::Throttled { .. })
    ));
}

#[tokio::test]
async fn a_person_in_two_workspaces_is_two_users() {
    let mut people = People::new().await;
    let (first, _) = people.workspace("acme", "ann@example.com").await;
    let (second, _) = people.workspace("globex", "ann@example.com").await;
    // Whoever doesn't name one is told no more than whoever doesn't know the password.
    let unnamed = people.sign_in("ann@example.com", SECRET, None).await;
    assert!(matches!(unnamed, Err(IdentityError::WrongPassword)));
    assert_eq!(
        people
            .sign_in("ann@example.com", SECRET, Some("acme"))
            .await
            .unwrap()
            .tenant,
        first
    );
    assert_eq!(
        people
            .sign_in("ann@example.com", SECRET, Some("globex"))
            .await
            .unwrap()
            .tenant,
        second
    );
}

#[tokio::test]
async fn a_changed_password_or_person_ends_every_session() {
    let mut people = People::new().await;
    let (tenant, _) = people.workspace("acme", "ann@acme.example").await;
    let member = people.user(tenant, "bob@acme.example", Role::Member).await;
    let app = people.workspaces.app().await;

    let started = people
        .sign_in("bob@acme.example", SECRET, None)
        .await
        .unwrap();
    let identity = people.recognise(&browser(&started)).await.unwrap();
    workspace::set_password(
        &people.owner,
        tenant,
        member,
        "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA",
    )
    .await
    .unwrap();
    assert_eq!(code(&app.begin(&identity.actor).await), "FS001");
    app.rollback().await;

    // A higher role: the session goes on, with the new rights. A lower one ends it.
    let (tenant, _) = people.workspace("globex", "cem@globex.example").await;
    let dee = people
        .user(tenant, "dee@globex.example", Role::Viewer)
        .await;
    let other = people
        .sign_in("dee@globex.example", SECRET, None)
        .await
        .unwrap();
    let stale = people.recognise(&browser(&other)).await.unwrap();
    let set_role = async |people: &People, role: &str| {
        let sql = "UPDATE app.\"user\" SET role = $2 WHERE id = $1";
        let changed = people.owner.execute(sql, &[&dee.as_str(), &role]).await;
        assert_eq!(changed.unwrap(), 1);
    };
    set_role(&people, "admin").await;
    assert_eq!(code(&app.begin(&stale.actor).await), "FS001");
    app.rollback().await;
    let fresh = people.authenticator.renew(&stale, now()).await.unwrap();
    assert_eq!(fresh.actor.role, Role::Admin);
    app.begin(&fresh.actor).await.unwrap();
    app.rollback().await;

    set_role(&people, "member").await;
    assert_eq!(code(&app.begin(&fresh.actor).await), "FS001");
    app.rollback().await;
    assert!(matches!(
        people.authenticator.renew(&fresh, now()).await,
        Err(IdentityError::Unauthenticated)
    ));

    people
        .owner
        .execute(
            "UPDATE app.\"user\" SET active = false WHERE id = $1",
            &[&dee.as_str()],
        )
        .await
        .unwrap();
    assert!(matches!(
        people.sign_in("dee@globex.example", SECRET, None).await,
        Err(IdentityError::WrongPassword)
    ));
}

#[tokio::test]
async fn a_session_ends_idle_and_absolutely() {
    let mut people = People::new().await;
    people.workspace("acme", "ann@acme.example").await;
    for limit in ["idle_expires_at", "absolute_expires_at"] {
        let started = people
            .sign_in("ann@acme.example", SECRET, None)
            .await
            .unwrap();
        let identity = people.recognise(&browser(&started)).await.unwrap();
        let sql = format!("UPDATE app.session SET {limit} = now() - interval '1 s' WHERE id = $1");
        people
            .owner
            .execute(&sql, &[&started.session.as_str()])
            .await
            .unwrap();
        let app = people.workspaces.app().await;
        assert_eq!(code(&app.begin(&identity.actor).await), "FS001", "{limit}");
        assert!(
            matches!(
                people.authenticator.renew(&identity, now()).await,
                Err(IdentityError::Unauthenticated)
            ),
            "{limit}"
        );
    }
}

#[tokio::test]
async fn a_session_in_use_is_touched_once_a_minute_and_never_past_its_end() {
    let mut people = People::new().await;
    people.workspace("acme", "ann@acme.example").await;
    let started = people
        .sign_in("ann@acme.example", SECRET, None)
        .await
        .unwrap();
    let identity = people.recognise(&browser(&started)).await.unwrap();
    let left = "SELECT (extract(epoch FROM idle_expires_at - now()))::float8 FROM app.session WHERE id = $1";
    let minutes = async |people: &People| -> f64 {
        people
            .owner
            .query_one(left, &[&started.session.as_str()])
            .await
            .unwrap()
            .get::<_, f64>(0)
            / 60.0
    };
    let age = "UPDATE app.session SET last_seen_at = now() - $2 * interval '1 s', idle_expires_at = now() + interval '10 min' WHERE id = $1";
    people
        .owner
        .execute(age, &[&started.session.as_str(), &30_f64])
        .await
        .unwrap();
    people.authenticator.renew(&identity, now()).await.unwrap();
    assert!(
        minutes(&people).await < 11.0,
        "seen half a minute ago: not touched"
    );
    people
        .owner
        .execute(age, &[&started.session.as_str(), &90_f64])
        .await
        .unwrap();
    people.authenticator.renew(&identity, now()).await.unwrap();
    assert!(
        minutes(&people).await > 29.0,
        "seen a minute and a half ago: touched"
    );
    people
        .owner
        .execute(age, &[&started.session.as_str(), &90_f64])
        .await
        .unwrap();
    people
        .owner
        .execute(
            "UPDATE app.session SET absolute_expires_at = now() + interval '12 min' WHERE id = $1",
            &[&started.session.as_str()],
        )
        .await
        .unwrap();
    people.authenticator.renew(&identity, now()).await.unwrap();
    assert!(
        (11.0..12.1).contains(&minutes(&people).await),
        "never past the absolute end"
    );
}

#[tokio::test]
async fn a_setup_link_works_once() {
    let mut people = People::new().await;
    let (tenant, _) = people.workspace("acme", "ann@acme.example").await;
    let bob = workspace::add_user(
        &mut people.owner,
        &people.ids,
        tenant,
        &new_user("bob@acme.example", Role::Member, None),
        now(),
    )
    .await
    .unwrap();
    assert!(
        matches!(
            people.sign_in("bob@acme.example", SECRET, None).await,
            Err(IdentityError::WrongPassword)
        ),
        "no password yet"
    );

    let link = make_setup_link(
        &mut people.owner,
        &people.ids,
        (tenant, bob),
        SignedDuration::from_hours(24),
        now(),
    )
    .await
    .unwrap();
    assert_eq!(
        people.sign_in.invitee(&link).await.unwrap().email,
        "bob@acme.example"
    );
    let address = [192, 0, 2, 7].into();
    let short = SecretString::from("too short");
    assert!(matches!(
        people
            .sign_in
            .redeem(&link, &short, address, "", now())
            .await,
        Err(IdentityError::Weak(Weakness::TooShort))
    ));
    let chosen = SecretString::from("a passphrase of my own");
    let begun = people
        .sign_in
        .redeem(&link, &chosen, address, "", now())
        .await;
    let Begun::Session(started) = begun.unwrap() else {
        panic!("there is no second factor");
    };
    assert_eq!(
        people
            .recognise(&browser(&started))
            .await
            .unwrap()
            .actor
            .user,
        bob
    );
    assert!(
        people
            .sign_in("bob@acme.example", "a passphrase of my own", None)
            .await
            .is_ok()
    );

    assert!(
        matches!(
            people
                .sign_in
                .redeem(&link, &chosen, address, "", now())
                .await,
            Err(IdentityError::LinkSpent)
        ),
        "a second time"
    );
    let expired = make_setup_link(
        &mut people.owner,
        &people.ids,
        (tenant, bob),
        SignedDuration::from_secs(-1),
        now(),
    )
    .await
    .unwrap();
    for spent in [expired.as_str(), "x", &"A".repeat(43)] {
        assert!(
            matches!(
                people
                    .sign_in
                    .redeem(spent, &chosen, address, "", now())
                    .await,
                Err(IdentityError::LinkSpent)
            ),
            "{spent}"
        );
    }
}

#[tokio::test]
async fn a_request_from_another_site_changes_nothing() {
    let mut people = People::new().await;
    people.workspace("acme", "ann@acme.example").await;
    let started = people
        .sign_in("ann@acme.example", SECRET, None)
        .await
        .unwrap();
    let ask = async |method: Method, site: Option<&str>| {
        let mut headers: HeaderMap = browser(&started);
        if let Some(site) = site {
            headers.insert("sec-fetch-site", site.parse().unwrap());
        }
        people
            .authenticator
            .authenticate(&method, &"/deals".parse().unwrap(), &headers, now())
            .await
    };
    assert!(ask(Method::GET, Some("cross-site")).await.is_ok());
    assert!(ask(Method::POST, Some("same-origin")).await.is_ok());
    for (method, site) in [
        (Method::POST, Some("cross-site")),
        (Method::DELETE, Some("same-site")),
        (Method::PATCH, None),
    ] {
        assert!(matches!(
            ask(method, site).await,
            Err(IdentityError::CrossSite)
        ));
    }
}

#[tokio::test]
async fn a_weak_hash_is_replaced_at_sign_in() {
    let mut people = People::new().await;
    let (_, user) = people.workspace("acme", "ann@acme.example").await;
    // The same password at a tenth of the cost, as an older policy would have stored it.
    let weak = {
        use argon2::{
            Algorithm, Argon2, Params, PasswordHasher as _, Version, password_hash::SaltString,
        };
        let argon2 = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(2048, 1, 1, None).unwrap(),
        );
        argon2
            .hash_password(
                SECRET.as_bytes(),
                &SaltString::encode_b64(b"some salt bytes!").unwrap(),
            )
            .unwrap()
            .to_string()
    };
    people
        .owner
        .execute(
            "UPDATE app.user_secret SET password_phc = $1 WHERE user_id = $2",
            &[&weak, &user.as_str()],
        )
        .await
        .unwrap();
    let first = people
        .sign_in("ann@acme.example", SECRET, None)
        .await
        .unwrap();
    let stored: String = people
        .owner
        .query_one(
            "SELECT password_phc FROM app.user_secret WHERE user_id = $1",
            &[&user.as_str()],
        )
        .await
        .unwrap()
        .get(0);
    assert!(stored.contains("m=65536,t=3"), "{stored}");
    assert!(
        people.recognise(&browser(&first)).await.is_ok(),
        "the access did not change"
    );
    assert!(
        people
            .sign_in("ann@acme.example", SECRET, None)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn addresses_and_slugs_are_unique_where_they_have_to_be() {
    let mut people = People::new().await;
    let (tenant, _) = people.workspace("acme", "ann@acme.example").await;
    let again = workspace::add_user(
        &mut people.owner,
        &people.ids,
        tenant,
        &new_user("ANN@acme.example", Role::Viewer, None),
        now(),
    )
    .await;
    assert!(matches!(again, Err(IdentityError::Taken(_))), "{again:?}");
    let twin = workspace::NewWorkspace {
        name: "Twin",
        slug: "acme",
        owner: new_user("bob@acme.example", Role::Owner, None),
    };
    let taken = workspace::create(&mut people.owner, &people.ids, &twin, now()).await;
    assert!(matches!(taken, Err(IdentityError::Taken(_))), "{taken:?}");
    let nowhere = workspace::add_user(
        &mut people.owner,
        &people.ids,
        "00D000000000000".parse().unwrap(),
        &new_user("x@y.example", Role::Viewer, None),
        now(),
    )
    .await;
    assert!(
        matches!(nowhere, Err(IdentityError::Missing(_))),
        "{nowhere:?}"
    );
    assert_eq!(
        workspace::find(&people.owner, "acme")
            .await
            .unwrap()
            .active_users,
        1
    );
    assert_eq!(workspace::list(&people.owner).await.unwrap().len(), 3);
    assert!(matches!(
        workspace::find(&people.owner, "none").await,
        Err(IdentityError::Missing(_))
    ));
}
