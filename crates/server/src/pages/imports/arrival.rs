//! A file of which all has arrived: looked at once from its beginning to its end, and made a draft with proposals for its columns.

use std::time::Duration;

use fieldstone_model::{Capability, RecordId};
use fieldstone_store::StoreError;
use fieldstone_ui::PageError;
use tokio::sync::Semaphore;

use super::{
    Inside,
    bring::{Refusal, check_workbook, refused},
    own,
};
use crate::import::{
    Choices, ImportError, Input, KeptFile, Limits, Mapping, WorkbookError, convert, encoding_of,
    job::PEEKED,
    look,
    parts::{Kind, PartWriter},
    propose,
    sniff::{Looks, sniff},
    uploads::{State, Upload},
};

/// Files that are looked through at the same time on this server: a workbook takes the texts that its cells share.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// How often, and how far apart, it is looked whether somebody else has finished with the same file.
const LOOKS: u32 = 40;
const BETWEEN: Duration = Duration::from_millis(500);

/// Takes a file in. One that can't be taken is thrown away.
pub(super) async fn take_in(inside: &Inside, id: RecordId) -> Result<(), Refusal> {
    for _ in 0..LOOKS {
        let upload = own(inside, id).await?;
        if upload.state == State::Draft {
            // Asked twice: the answer to the first time was lost.
            return Ok(());
        }
        if upload.state != State::Arriving {
            return Err(PageError::Conflict.into());
        }
        if inside.store.claim_arrival(id).await? {
            // Goes on to its end when whoever asked goes away.
            let taking = tokio::spawn(take_claimed(inside.clone(), upload));
            return taking.await.map_err(|_| PageError::Failed)?;
        }
        tokio::time::sleep(BETWEEN).await;
    }
    Err(PageError::Busy.into())
}

async fn take_claimed(inside: Inside, upload: Upload) -> Result<(), Refusal> {
    let (store, id) = (&inside.store, upload.id);
    let brought = match whole(&inside, &upload).await {
        Ok(brought) => brought,
        Err(refusal) => {
            // What is missing may still be sent.
            store.release_arrival(id).await?;
            return Err(refusal);
        }
    };
    let taken = match AT_ONCE.acquire().await {
        Ok(_turn) => look_through(&inside, &upload, brought).await,
        Err(_) => Err(PageError::Failed.into()),
    };
    match &taken {
        Ok(()) => {}
        Err(Refusal::Said(_)) => store.drop_arrival(id).await?,
        Err(Refusal::Page(_)) => store.release_arrival(id).await?,
    }
    taken
}

/// What was brought, when all of it is there.
async fn whole(inside: &Inside, upload: &Upload) -> Result<KeptFile, Refusal> {
    let brought = inside
        .store
        .kept_file(upload.id, Kind::Brought, &upload.file)
        .await?;
    if brought.size() != upload.bytes {
        return Err(refused(
            &inside.viewer.locale,
            "file",
            "import-file-incomplete",
        ));
    }
    Ok(brought)
}

async fn look_through(inside: &Inside, upload: &Upload, brought: KeptFile) -> Result<(), Refusal> {
    let locale = &inside.viewer.locale;
    let wrong = |key: &str| refused(locale, "file", key);
    let id = upload.id;
    let file = match sniff(&brought.head().await?) {
        Looks::Text => brought,
        Looks::Workbook => {
            check_workbook(inside, brought.size())?;
            unfold(inside, id, brought).await?;
            inside.store.kept_file(id, Kind::File, &upload.file).await?
        }
        Looks::OldWorkbook => return Err(wrong("import-file-old-workbook")),
        Looks::Other => return Err(wrong("import-file-no-table")),
    };
    let (size, input) = (file.size(), Input::Kept(file));
    let guessed = input.clone();
    let guessed = tokio::task::spawn_blocking(move || encoding_of(&guessed)).await;
    let encoding = guessed
        .map_err(|_| PageError::Failed)?
        .map_err(|error| unread(&error))?;
    let written = Mapping {
        encoding: Some(encoding.to_owned()),
        ..Mapping::default()
    };
    let peeked = match look(&input, &written, PEEKED).await {
        Ok(peeked) => peeked,
        Err(ImportError::Empty) => return Err(wrong("import-file-empty")),
        Err(ImportError::Mapping(_)) => return Err(wrong("import-file-no-table")),
        Err(error) => return Err(unread(&error).into()),
    };
    let imagined = upload.choices.imagined();
    let registry = inside.registry();
    let object = imagined
        .as_ref()
        .or_else(|| registry.object(&upload.object).map(AsRef::as_ref))
        .ok_or(PageError::NotFound)?;
    let may_add = inside.can(Capability::SchemaManage);
    let choices = Choices {
        new_object: upload.choices.new_object.clone(),
        ..propose(registry, object, &peeked, locale, may_add)
    };
    let arrived = inside
        .store
        .note_arrived(id, &upload.object, size, encoding, &choices)
        .await?;
    if !arrived {
        return Err(PageError::Conflict.into());
    }
    // What text was made of; nothing of that kind is left otherwise.
    Ok(inside.store.remove_parts_from(id, Kind::Brought, 0).await?)
}

/// Makes text of a workbook, part by part.
async fn unfold(inside: &Inside, id: RecordId, brought: KeptFile) -> Result<(), Refusal> {
    let locale = &inside.viewer.locale;
    let store = inside.store.clone();
    let limits = if store.keeps_large_files() {
        Limits::default()
    } else {
        Limits::small()
    };
    // Of a time before that came to no end.
    store.remove_parts_from(id, Kind::File, 0).await?;
    let mut writer = PartWriter::new(store, id, Kind::File);
    let reader = brought.reader();
    let unfolded = tokio::task::spawn_blocking(move || {
        convert(reader, limits, &mut writer)?;
        writer.finish().map_err(WorkbookError::Unwritten)
    });
    let laid = match unfolded.await.map_err(|_| PageError::Failed)? {
        Ok(laid) => laid,
        Err(_) if brought.has_failed() => return Err(PageError::Busy.into()),
        Err(WorkbookError::TooLarge) => {
            return Err(refused(locale, "file", "import-workbook-unfolds"));
        }
        Err(WorkbookError::Empty) => return Err(refused(locale, "file", "import-file-empty")),
        Err(WorkbookError::Unwritten(error)) => {
            tracing::warn!(%error, "the text of a workbook can't be kept");
            return Err(PageError::Busy.into());
        }
        Err(WorkbookError::Broken) => {
            return Err(refused(locale, "file", "import-workbook-broken"));
        }
    };
    for laid in laid.chunks(16) {
        inside.store.note_parts(id, laid).await?;
    }
    Ok(())
}

/// What was put down can't be taken up again.
fn unread(error: &ImportError) -> PageError {
    if let ImportError::Store(StoreError::SessionEnded) = error {
        return PageError::SignedOut;
    }
    tracing::warn!(%error, "a file that has arrived can't be read");
    PageError::Busy
}
