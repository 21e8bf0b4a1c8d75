//! What is answered when something can't be: kindly, in the frame, with a next step.

use axum::{
    body::Body,
    extract::Request,
    http::{StatusCode, header},
};

use crate::app::App;

#[tokio::test]
async fn what_is_not_there_is_said_in_the_frame() {
    let app = App::new();
    let (account, _, deal) = app.company().await;
    for path in [
        "/nothing".to_owned(),
        "/nothing/here/at/all".into(),
        "/deals/0060000000000zz".into(),
        "/deals/short".into(),
        format!("/deals/{account}"),
        format!("/accounts/{deal}"),
        "/users".into(),
        "/deals/options/nothing".into(),
        "/deals/options/amount".into(),
        format!("/deals/{deal}/conversion"),
        "/deals/%ff".into(),
    ] {
        let answer = app.get(&path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        answer
            .shows("Nothing here")
            .shows("<nav class=\"navigation\"");
    }
    app.get("/deals/short")
        .await
        .shows("<a class=\"button\" href=\"/deals\">Back to the list</a>");
    App::new()
        .in_locale("de")
        .get("/nothing")
        .await
        .shows("Hier ist nichts");
}

#[tokio::test]
async fn requests_that_cannot_be_read_are_refused() {
    let app = App::new();
    let (_, _, deal) = app.company().await;
    let form = "application/x-www-form-urlencoded";
    for (body, kind, status) in [
        ("name=%FF%FE".to_owned(), form, StatusCode::BAD_REQUEST),
        ("{}".into(), "application/json", StatusCode::BAD_REQUEST),
        (
            format!("name={}", "x".repeat(3_000_000)),
            form,
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
        ("version=x".into(), form, StatusCode::BAD_REQUEST),
    ] {
        let request = Request::post(format!("/deals/{deal}"))
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body))
            .unwrap();
        assert_eq!(app.send(request).await.status, status);
    }
    assert_eq!(
        app.get("/deals?filter=%FF").await.status,
        StatusCode::BAD_REQUEST
    );
    let odd = app
        .send(Request::delete("/deals").body(Body::empty()).unwrap())
        .await;
    assert_eq!(odd.status, StatusCode::METHOD_NOT_ALLOWED);
    odd.shows("Start from the home page");
}

#[tokio::test]
async fn nobody_is_sent_to_sign_in_and_back() {
    let app = App::new();
    let ask = |request: http::request::Builder| {
        request.header("x-nobody", "1").body(Body::empty()).unwrap()
    };
    assert_eq!(
        app.send(ask(Request::get("/"))).await.location(),
        "/sign-in"
    );
    assert_eq!(
        app.send(ask(Request::get("/deals?q=a"))).await.location(),
        "/sign-in?to=%2Fdeals%3Fq%3Da"
    );
    assert_eq!(
        app.send(ask(Request::post("/deals"))).await.location(),
        "/sign-in"
    );
    let partial = app
        .send(ask(Request::get("/deals").header("hx-request", "true")))
        .await;
    assert_eq!(
        (partial.status, partial.header("hx-redirect")),
        (StatusCode::UNAUTHORIZED, "/sign-in?to=%2Fdeals")
    );
    let sent =
        app.send(ask(Request::post("/deals")
            .header("hx-request", "true")
            .header("hx-current-url", "https://crm.example/deals/new?a=b")))
            .await;
    assert_eq!(
        sent.header("hx-redirect"),
        "/sign-in?to=%2Fdeals%2Fnew%3Fa%3Db"
    );
    // Script and style are everybody's.
    let page = app.get("/").await;
    let style = page
        .body
        .split("href=\"")
        .find(|part| part.contains(".css"))
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    assert_eq!(
        app.send(ask(Request::get(style))).await.status,
        StatusCode::OK
    );
}
