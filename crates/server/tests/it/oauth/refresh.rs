//! Refresh tokens: replaced at each use, given again when an answer was lost, and the end of everything when somebody has a copy.

use http::StatusCode;

use super::desk::{DEVICE, Desk};

const LATER: &str = "UPDATE app.oauth_token SET rotated_at = rotated_at - interval '31 seconds' WHERE rotated_at IS NOT NULL";

#[tokio::test]
async fn a_lost_answer_is_given_again() {
    let desk = Desk::new().await;
    let (_, first) = desk.device().await;
    let lost = desk.refresh(DEVICE, &first).await;
    assert_eq!(lost.status, StatusCode::OK);
    // Hours later, since nothing of the answer was ever used: the same successor.
    desk.sql("UPDATE app.oauth_token SET rotated_at = rotated_at - interval '5 hours' WHERE rotated_at IS NOT NULL").await;
    let again = desk.refresh(DEVICE, &first).await;
    assert_eq!(again.status, StatusCode::OK, "{again:?}");
    assert_eq!(again.text("refresh_token"), lost.text("refresh_token"));
    assert_ne!(again.text("access_token"), lost.text("access_token"));
    let (access, second) = (again.text("access_token"), again.text("refresh_token"));
    assert_ne!(first, second);
    assert_eq!(desk.opens(&access).await, StatusCode::OK);
    // Used, but so lately that two requests may have run beside each other.
    desk.sql("UPDATE app.oauth_token SET rotated_at = now() WHERE rotated_at IS NOT NULL")
        .await;
    assert_eq!(
        desk.refresh(DEVICE, &first).await.text("refresh_token"),
        second
    );
    assert_eq!(desk.refresh(DEVICE, &second).await.status, StatusCode::OK);
    // The one before the one before is a copy, however lately.
    desk.refresh(DEVICE, &first).await.refused("invalid_grant");
    desk.refresh(DEVICE, &second).await.refused("invalid_grant");
    assert_eq!(desk.opens(&access).await, StatusCode::UNAUTHORIZED);
    assert_eq!(desk.logged("grant.reuse").await, 1);
}

#[tokio::test]
async fn a_copy_is_noticed_whoever_comes_first() {
    // The thief uses the copy first, and its tokens; then the device comes.
    let desk = Desk::new().await;
    let (_, stolen) = desk.device().await;
    let thief = desk.refresh(DEVICE, &stolen).await;
    assert_eq!(
        desk.opens(&thief.text("access_token")).await,
        StatusCode::OK
    );
    desk.sql(LATER).await;
    desk.refresh(DEVICE, &stolen).await.refused("invalid_grant");
    assert_eq!(
        desk.opens(&thief.text("access_token")).await,
        StatusCode::UNAUTHORIZED
    );
    desk.refresh(DEVICE, &thief.text("refresh_token"))
        .await
        .refused("invalid_grant");

    // The device goes on, then the thief comes: the device has to sign in again as well, and the person reads why.
    let (_, stolen) = desk.device().await;
    let device = desk.refresh(DEVICE, &stolen).await;
    assert_eq!(
        desk.opens(&device.text("access_token")).await,
        StatusCode::OK
    );
    desk.sql(LATER).await;
    desk.refresh(DEVICE, &stolen).await.refused("invalid_grant");
    assert_eq!(
        desk.opens(&device.text("access_token")).await,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(desk.logged("grant.reuse").await, 2);
}

#[tokio::test]
async fn requests_beside_each_other_keep_one_family() {
    let desk = Desk::new().await;
    let (_, first) = desk.device().await;
    let asked = (0..8).map(|_| desk.refresh(DEVICE, &first));
    let answers = futures_util::future::join_all(asked).await;
    let second = answers[0].text("refresh_token");
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        assert_eq!(answer.text("refresh_token"), second);
    }
    assert_eq!(desk.refresh(DEVICE, &second).await.status, StatusCode::OK);
    assert_eq!(desk.logged("grant.reuse").await, 0);
}

#[tokio::test]
async fn an_access_token_may_do_less_and_never_more() {
    let desk = Desk::new().await;
    let (_, first) = desk.device().await;
    let narrow = |token: String, scope: &'static str| {
        let form = [
            ("grant_type", "refresh_token".to_owned()),
            ("client_id", DEVICE.to_owned()),
            ("refresh_token", token),
            ("scope", scope.to_owned()),
        ];
        let desk = &desk;
        async move {
            let form: Vec<(&str, &str)> = form
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            desk.token(&form).await
        }
    };
    for more in ["users.manage", "records.read users.manage", "nonsense"] {
        narrow(first.clone(), more).await.refused("invalid_scope");
    }
    let answer = narrow(first, "records.read").await;
    assert_eq!(answer.body["scope"], "records.read");
    let access = answer.text("access_token");
    assert_eq!(desk.opens(&access).await, StatusCode::OK);
    let write = desk
        .call(
            "POST",
            "/api/v1/records/account",
            &access,
            r#"{"name":"x"}"#,
        )
        .await;
    assert_eq!(write.0, StatusCode::FORBIDDEN);
    // The next one may do all again.
    let answer = desk.refresh(DEVICE, &answer.text("refresh_token")).await;
    assert_eq!(
        answer.body["scope"],
        "records.read records.write records.delete"
    );
}

#[tokio::test]
async fn tokens_end_and_belong_to_one_application() {
    let desk = Desk::new().await;
    let app = desk
        .register("public", "https://app.example/cb", &["records.read"])
        .await;
    let (access, refresh) = desk.device().await;
    // One application's token is nothing in another's hands, and loses nothing by it.
    desk.refresh(&app.client_id, &refresh)
        .await
        .refused("invalid_grant");
    desk.send(
        "/oauth/revoke",
        &[("client_id", &app.client_id), ("token", &refresh)],
        None,
    )
    .await;
    assert_eq!(desk.opens(&access).await, StatusCode::OK);
    desk.refresh(DEVICE, &access).await.refused("invalid_grant");
    assert_eq!(desk.opens(&refresh).await, StatusCode::UNAUTHORIZED);
    // An access token ends by itself, and then a new one opens.
    desk.sql("UPDATE app.oauth_token SET expires_at = now() WHERE kind = 'access'")
        .await;
    assert_eq!(desk.opens(&access).await, StatusCode::UNAUTHORIZED);
    let answer = desk.refresh(DEVICE, &refresh).await;
    let (access, refresh) = (answer.text("access_token"), answer.text("refresh_token"));
    assert_eq!(desk.opens(&access).await, StatusCode::OK);
    // Revoking is the same for what there is and what there isn't (RFC 7009).
    for token in ["x", "fsr_", access.as_str()] {
        let answer = desk
            .send(
                "/oauth/revoke",
                &[("client_id", DEVICE), ("token", token)],
                None,
            )
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    assert_eq!(desk.opens(&access).await, StatusCode::UNAUTHORIZED);
    desk.refresh(DEVICE, &refresh)
        .await
        .refused("invalid_grant");
    assert_eq!(desk.logged("grant.end").await, 1);
    // Ninety days without use.
    let (_, refresh) = desk.device().await;
    desk.sql("UPDATE app.oauth_token SET expires_at = now() WHERE rotated_at IS NULL")
        .await;
    desk.refresh(DEVICE, &refresh)
        .await
        .refused("invalid_grant");
}

#[tokio::test]
async fn token_requests_are_forms_of_the_kinds_there_are() {
    let desk = Desk::new().await;
    for (form, error) in [
        (vec![], "invalid_client"),
        (vec![("client_id", DEVICE)], "invalid_request"),
        (
            vec![
                ("client_id", "nobody"),
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
            ],
            "invalid_client",
        ),
        (
            vec![
                ("client_id", DEVICE),
                ("grant_type", "password"),
                ("username", "ann@north.example"),
                ("password", "correct horse battery"),
            ],
            "unsupported_grant_type",
        ),
        (
            vec![("client_id", DEVICE), ("grant_type", "client_credentials")],
            "unsupported_grant_type",
        ),
        (
            vec![("client_id", DEVICE), ("grant_type", "refresh_token")],
            "invalid_request",
        ),
        (
            vec![
                ("client_id", DEVICE),
                ("client_id", DEVICE),
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
            ],
            "invalid_request",
        ),
        (
            vec![
                ("client_id", DEVICE),
                ("client_secret", "guess"),
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
            ],
            "invalid_client",
        ),
    ] {
        desk.token(&form).await.refused(error);
    }
}
