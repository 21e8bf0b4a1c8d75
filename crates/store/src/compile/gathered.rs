//! Pages of the records that have all words of a search, gathered from the index of words.

use super::{
    Param, Writer,
    filter::write_tokens,
    select::{after, direction},
};

/// A page in the order of ids, newest first unless it is read backward.
pub(super) struct IdPage {
    pub(super) start: Option<String>,
    pub(super) backward: bool,
}

/// Appends `FROM` the records that have all of these words, each once.
pub(super) fn write_gathered(
    sql: &mut Writer,
    object: &str,
    words: &[&String],
    page: Option<IdPage>,
) {
    sql.push(" FROM (SELECT g.tenant_id, g.record_id FROM (");
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            sql.push(" INTERSECT ");
        }
        // INTERSECT leaves each record once by itself.
        sql.push(if words.len() == 1 {
            "SELECT DISTINCT "
        } else {
            "SELECT "
        })
        .push("s.tenant_id, s.record_id");
        write_tokens(sql, object, word);
    }
    sql.push(") g");
    if let Some(page) = page {
        if let Some(start) = page.start {
            sql.push(" WHERE g.record_id ")
                .push(after(true, page.backward))
                .push(" ")
                .param(Param::Text(start));
        }
        sql.push(" ORDER BY g.record_id")
            .push(direction(true, page.backward));
    }
    sql.push(") w");
}
