//! Settings, profile: one's own name, language and time zone.

use http::{StatusCode, header};

use crate::gate::{House, text_of};

#[tokio::test]
async fn a_person_changes_how_they_are_addressed() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    let home = house.page("/", &cookie).await;
    assert!(home.contains("href=\"/settings/profile\""), "{home}");
    let page = house.page("/settings/profile", &cookie).await;
    assert!(page.contains("value=\"Ann\"") && page.contains("ann@north.example"));

    let form = "name=+Ann+Smith+&locale=de-CH&time_zone=Europe%2FZurich";
    let saved = house.post("/settings/profile", &cookie, form).await;
    assert_eq!(saved.status(), StatusCode::SEE_OTHER);
    let to = saved.headers()[header::LOCATION].to_str().unwrap();
    let page = house.page(to, &cookie).await;
    assert!(page.contains("Profil gespeichert."), "{page}");
    assert!(page.contains("lang=\"de-CH\"") && page.contains("value=\"Ann Smith\""));
    assert!(page.contains("<option value=\"Europe/Zurich\" selected>"));
}

#[tokio::test]
async fn what_cannot_be_is_refused_beside_the_field() {
    let house = House::new().await;
    let cookie = house.cookie().await;
    for form in [
        "name=++&locale=en&time_zone=UTC",
        "name=Ann&locale=xx&time_zone=UTC",
        "name=Ann&locale=en&time_zone=Mars%2FOlympus",
        "name=Ann&locale=en&time_zone=..%2F..%2Fetc%2Fpasswd",
    ] {
        let refused = house.post("/settings/profile", &cookie, form).await;
        assert_eq!(refused.status(), StatusCode::UNPROCESSABLE_ENTITY, "{form}");
        assert!(text_of(refused).await.contains("role=\"alert\"") || form.contains("++"));
    }
    // An announcement is one of the texts, whatever the address says.
    let page = house
        .page("/settings/profile?notice=%3Cscript%3E", &cookie)
        .await;
    assert!(!page.contains("data-passing"), "{page}");
    // Nobody, and no page that isn't there.
    assert_eq!(
        house.get("/settings/profile", "a=b").await,
        StatusCode::SEE_OTHER
    );
    assert_eq!(
        house.get("/settings/nothing", &cookie).await,
        StatusCode::NOT_FOUND
    );
}
