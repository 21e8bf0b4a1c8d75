//! Files on records over the API: uploads in parts, downloads in ranges, and what of it lies where.

use axum::body::Bytes;

use super::*;

/// More than two parts.
pub(super) fn content() -> Vec<u8> {
    b"canary-7f3a "
        .iter()
        .copied()
        .cycle()
        .take(2 * PART + 1_000)
        .collect()
}

pub(super) const PART: usize = 4 << 20;

/// An answer that need not be JSON.
pub(super) struct Raw {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Site {
    pub(super) async fn raw(
        &self,
        cookie: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Raw {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "crm.example")
            .header("cookie", cookie)
            .header("sec-fetch-site", "same-origin");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Raw {
            status: parts.status,
            headers: parts.headers,
            body: axum::body::to_bytes(body, usize::MAX).await.unwrap(),
        }
    }

    /// An account and a file on it that has no content yet; their ids.
    pub(super) async fn file(&self, cookie: &str) -> (String, String) {
        let account = self
            .made(cookie, "account", json!({ "name": "Acme" }))
            .await;
        let values = json!({ "name": "Größe \"A\".bin", "about_id": account });
        let file = self.made(cookie, "attachment", values).await;
        (account, file)
    }

    pub(super) async fn made(&self, cookie: &str, object: &str, values: Json) -> String {
        let path = format!("/records/{object}");
        let made = self.with(cookie, Method::POST, &path, Some(values)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
        made.body["id"].as_str().unwrap().to_owned()
    }

    pub(super) async fn announce(&self, cookie: &str, file: &str, announced: Json) -> Answer {
        let path = format!("/records/attachment/{file}/upload");
        self.with(cookie, Method::POST, &path, Some(announced))
            .await
    }

    pub(super) async fn put(
        &self,
        cookie: &str,
        file: &str,
        number: usize,
        part: &[u8],
    ) -> StatusCode {
        let path = format!("/api/v1/records/attachment/{file}/upload/parts/{number}");
        self.raw(cookie, Method::PUT, &path, &[], part.to_vec())
            .await
            .status
    }

    pub(super) async fn complete(&self, cookie: &str, file: &str) -> Answer {
        let path = format!("/records/attachment/{file}/upload/completion");
        self.with(cookie, Method::POST, &path, Some(json!({})))
            .await
    }

    pub(super) async fn upload(&self, cookie: &str, file: &str, content: &[u8]) {
        let announced =
            json!({ "content_type": "Application/Octet-Stream", "size": content.len() });
        let begun = self.announce(cookie, file, announced).await;
        assert_eq!(begun.status, StatusCode::OK, "{}", begun.body);
        for (number, part) in content.chunks(PART).enumerate() {
            assert_eq!(
                self.put(cookie, file, number, part).await,
                StatusCode::NO_CONTENT
            );
        }
        let done = self.complete(cookie, file).await;
        assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    }

    pub(super) async fn download(&self, cookie: &str, file: &str, headers: &[(&str, &str)]) -> Raw {
        let path = format!("/api/v1/records/attachment/{file}/content");
        self.raw(cookie, Method::GET, &path, headers, Vec::new())
            .await
    }
}

#[tokio::test]
async fn a_file_comes_back_as_it_was_sent() {
    let site = Site::new().await;
    let member = site.sign_in("member@north.example").await;
    let (_, file) = site.file(&member).await;
    let content = content();
    let before = site.download(&member, &file, &[]).await;
    assert_eq!(before.status, StatusCode::NOT_FOUND);

    site.upload(&member, &file, &content).await;
    let path = format!("/records/attachment/{file}");
    let record = site.with(&member, Method::GET, &path, None).await.body;
    assert_eq!(record["size"], content.len());
    assert_eq!(record["content_type"], "application/octet-stream");
    assert!(
        record["stored_at"].is_string() && record["version"] == 2,
        "{record}"
    );

    let all = site
        .download(&member, &file, &[("accept-encoding", "br, gzip")])
        .await;
    assert_eq!(all.status, StatusCode::OK);
    assert!(all.body == content);
    assert_eq!(all.headers["content-length"], content.len().to_string());
    assert_eq!(
        all.headers["content-disposition"],
        "attachment; filename=\"Gr__e _A_.bin\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%22A%22.bin"
    );
    assert_eq!(all.headers["x-content-type-options"], "nosniff");
    assert_eq!(
        all.headers["content-security-policy"],
        "sandbox; default-src 'none'"
    );

    // A range over the border of two parts, and the end.
    let range = format!("bytes={}-{}", PART - 3, PART + 6);
    let part = site.download(&member, &file, &[("range", &range)]).await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert!(part.body == content[PART - 3..PART + 7]);
    let end = site
        .download(&member, &file, &[("range", "bytes=-5")])
        .await;
    assert!(end.body == content[content.len() - 5..]);
    let beyond = site
        .download(&member, &file, &[("range", "bytes=99999999-")])
        .await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    let tag = all.headers["etag"].to_str().unwrap();
    let known = site
        .download(&member, &file, &[("if-none-match", tag)])
        .await;
    assert_eq!(
        (known.status, known.body.len()),
        (StatusCode::NOT_MODIFIED, 0)
    );

    // Nothing of it lies anywhere in the clear.
    let mut lying = 0;
    for folder in walk(site.folder.path()) {
        let bytes = std::fs::read(&folder).unwrap();
        assert!(
            !bytes.windows(12).any(|window| window == b"canary-7f3a "),
            "{folder:?}"
        );
        lying += bytes.len();
    }
    assert!(lying > content.len());
}

pub(super) fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[tokio::test]
async fn an_upload_goes_on_where_it_was_interrupted() {
    let site = Site::new().await;
    let member = site.sign_in("member@north.example").await;
    let (_, file) = site.file(&member).await;
    let content = content();
    let announced = json!({ "content_type": "a/b", "size": content.len() });
    let begun = site.announce(&member, &file, announced.clone()).await;
    assert_eq!(
        (&begun.body["parts"], &begun.body["part_size"]),
        (&json!(3), &json!(PART))
    );

    // In any order, and twice.
    let last = &content[2 * PART..];
    assert_eq!(
        site.put(&member, &file, 2, last).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        site.put(&member, &file, 2, last).await,
        StatusCode::NO_CONTENT
    );
    for (number, part) in [
        (2, &content[..5]),
        (0, last),
        (3, last),
        (4_000_000_000, last),
    ] {
        assert_eq!(
            site.put(&member, &file, number, part).await,
            StatusCode::BAD_REQUEST,
            "{number}"
        );
    }
    let early = site.complete(&member, &file).await;
    assert_eq!(early.status, StatusCode::CONFLICT);
    assert_eq!(early.body["errors"][1]["pointer"], "/parts/1");

    let again = site.announce(&member, &file, announced).await;
    assert_eq!(again.body["received"], json!([2]));
    for number in [1, 0] {
        let part = &content[number * PART..(number + 1) * PART];
        assert_eq!(
            site.put(&member, &file, number, part).await,
            StatusCode::NO_CONTENT
        );
    }
    assert_eq!(site.complete(&member, &file).await.status, StatusCode::OK);
    assert_eq!(site.complete(&member, &file).await.status, StatusCode::OK);
    assert!(site.download(&member, &file, &[]).await.body == content);

    // What is complete stays as it is.
    assert_eq!(
        site.put(&member, &file, 0, &content[..PART]).await,
        StatusCode::CONFLICT
    );
    let other = json!({ "content_type": "a/b", "size": 1 });
    assert_eq!(
        site.announce(&member, &file, other).await.status,
        StatusCode::CONFLICT
    );
    let set = json!({ "size": 1 });
    let path = format!("/records/attachment/{file}");
    let set = site.with(&member, Method::PATCH, &path, Some(set)).await;
    assert_eq!(set.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn what_arrives_has_to_be_what_was_announced() {
    let site = Site::new().await;
    let member = site.sign_in("member@north.example").await;
    let (_, file) = site.file(&member).await;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"right");
    let digest = digest
        .as_ref()
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let announced = json!({ "content_type": "a/b", "size": 5, "sha256": digest });
    site.announce(&member, &file, announced.clone()).await;
    site.put(&member, &file, 0, b"wrong").await;
    let refused = site.complete(&member, &file).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);

    let again = site.announce(&member, &file, announced).await;
    assert_eq!(again.body["received"], json!([]));
    site.put(&member, &file, 0, b"right").await;
    assert_eq!(site.complete(&member, &file).await.status, StatusCode::OK);
    assert_eq!(site.download(&member, &file, &[]).await.body, "right");

    // An empty file is a file too.
    let (_, empty) = site.file(&member).await;
    site.upload(&member, &empty, b"").await;
    for bad in [
        json!({ "content_type": "a/b" }),
        json!({ "content_type": "a", "size": 1 }),
        json!({ "content_type": "a/b", "size": -1 }),
        json!({ "content_type": "a/b", "size": 1_u64 << 40 }),
        json!({ "content_type": "a/b", "size": 1, "more": 1 }),
    ] {
        let status = site.announce(&member, &empty, bad.clone()).await.status;
        assert!(status.is_client_error(), "{bad} {status}");
    }
}

#[tokio::test]
async fn content_is_for_those_who_see_the_record() {
    let site = Site::new().await;
    let member = site.sign_in("member@north.example").await;
    let viewer = site.sign_in("viewer@north.example").await;
    let stranger = site.sign_in("owner@south.example").await;
    let (account, file) = site.file(&member).await;
    let announced = json!({ "content_type": "a/b", "size": 4 });
    assert_eq!(
        site.announce(&viewer, &file, announced.clone())
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(
        site.announce(&stranger, &file, announced).await.status,
        StatusCode::NOT_FOUND
    );
    site.upload(&member, &file, b"ours").await;
    assert_eq!(site.download(&viewer, &file, &[]).await.body, "ours");
    assert_eq!(
        site.download(&stranger, &file, &[]).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        site.complete(&stranger, &file).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        site.put(&stranger, &file, 0, b"evil").await,
        StatusCode::NOT_FOUND
    );

    // The form without script, as a browser sends it.
    let part = |name: &str, rest: &str, body: &str| {
        format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"{rest}\r\n\r\n{body}\r\n")
    };
    let files = "; filename=\"C:\\dir\\plan.txt\"\r\ncontent-type: text/plain";
    let form = [
        part("about_id", "", &account),
        part("back", "", "/accounts"),
        part("file", files, "a plan"),
        "--x--\r\n".to_owned(),
    ]
    .concat();
    let kind = [("content-type", "multipart/form-data; boundary=x")];
    let send = |cookie, body: String| {
        site.raw(
            cookie,
            Method::POST,
            "/attachments/new",
            &kind,
            body.into_bytes(),
        )
    };
    assert_eq!(
        send(&viewer, form.clone()).await.status,
        StatusCode::FORBIDDEN
    );
    assert!(send(&stranger, form.clone()).await.status.is_client_error());
    let taken = send(&member, form).await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER);
    let made = taken.headers["location"]
        .to_str()
        .unwrap()
        .rsplit('=')
        .next()
        .unwrap()
        .to_owned();
    let page = site
        .raw(
            &viewer,
            Method::GET,
            &format!("/attachments/{made}/content"),
            &[],
            Vec::new(),
        )
        .await;
    assert_eq!(page.body, "a plan");
    assert!(
        page.headers["content-disposition"]
            .to_str()
            .unwrap()
            .contains("\"plan.txt\"")
    );
    let nothing = [
        part("about_id", "", &account),
        part("file", "; filename=\"\"", ""),
        "--x--\r\n".to_owned(),
    ]
    .concat();
    assert_eq!(
        send(&member, nothing).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}
