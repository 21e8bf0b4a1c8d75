//! Files: hang one on a record, save one's content.

use std::{
    fs::OpenOptions,
    io::{self, BufWriter, Write as _},
    path::Path,
};

use serde_json::json;

use super::{
    Failure,
    arguments::{Attach, Content},
    output::Output,
    record, with_records,
};

pub(super) async fn attach(home: &Path, what: Attach, output: &Output) -> Result<(), Failure> {
    with_records(home, async |device| {
        let about = record::id(&what.id)?;
        record::fetch(&device.store(), about).await?;
        let own = || {
            let name = what.file.file_name()?;
            Some(name.to_string_lossy().into_owned())
        };
        let name = what
            .name
            .clone()
            .or_else(own)
            .ok_or_else(|| Failure::new("Give the file a name with --name."))?;
        let id = device.attach(about, &what.file, &name).await?;
        output.say(
            &json!({ "id": id, "about_id": about, "name": name }),
            [format!("{id}  {name} is sent with the next sync.")],
        )
    })
    .await
}

pub(super) async fn content(home: &Path, what: Content, output: &Output) -> Result<(), Failure> {
    with_records(home, async |device| {
        let id = record::id(&what.id)?;
        let Some(file) = &what.out else {
            let mut out = io::stdout().lock();
            device.write_content(id, &mut out).await?;
            return Ok(());
        };
        let unwritable = |error: io::Error| {
            Failure::new(format!(
                "The file {} can't be written: {error}.",
                file.display()
            ))
        };
        let made = OpenOptions::new().write(true).create_new(true).open(file);
        let mut out = BufWriter::new(made.map_err(unwritable)?);
        let written = device.write_content(id, &mut out).await;
        if let Err(error) = written {
            // It was made a moment ago, and holds nothing whole.
            let _ = std::fs::remove_file(file);
            return Err(error.into());
        }
        out.flush().map_err(unwritable)?;
        output.say(
            &json!({ "id": id, "saved": file }),
            [format!("Saved as {}.", file.display())],
        )
    })
    .await
}
