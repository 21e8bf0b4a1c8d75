//! A first look at a file: its columns and its first rows, before anything is decided about them.

use fieldstone_store::StoreError;

use super::{ImportError, Input, Mapping, source::Opened};

/// What a file begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peek {
    /// Names of the columns.
    pub header: Vec<String>,
    /// The first rows; a cell that isn't UTF-8 is shown with replacement characters.
    pub rows: Vec<Vec<String>>,
}

/// Looks at the header and at most `most` rows.
pub fn peek(input: &Input, mapping: &Mapping, most: usize) -> Result<Peek, ImportError> {
    let mut opened = Opened::open(input, mapping)?;
    let mut rows = Vec::new();
    while rows.len() < most
        && let Some(row) = opened.rows.next()?
    {
        let cells = row.cells.iter();
        rows.push(
            cells
                .map(|cell| String::from_utf8_lossy(cell).into_owned())
                .collect(),
        );
    }
    Ok(Peek {
        header: opened.header,
        rows,
    })
}

/// The same from where nothing may wait.
pub async fn look(input: &Input, mapping: &Mapping, most: usize) -> Result<Peek, ImportError> {
    let (input, mapping) = (input.clone(), mapping.clone());
    let looked = tokio::task::spawn_blocking(move || peek(&input, &mapping, most)).await;
    looked.map_err(StoreError::internal)?
}

impl Peek {
    /// What stands in a column, without what is empty.
    pub fn samples(&self, column: usize) -> impl Iterator<Item = &str> {
        self.rows
            .iter()
            .filter_map(move |row| row.get(column))
            .map(|cell| cell.trim())
            .filter(|cell| !cell.is_empty())
    }

    /// Whether another column has the same name: then neither can be told apart in a mapping.
    pub fn is_ambiguous(&self, column: usize) -> bool {
        let name = self.header.get(column);
        self.header
            .iter()
            .filter(|other| Some(*other) == name)
            .count()
            > 1
    }
}
