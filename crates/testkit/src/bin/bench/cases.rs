//! What is asked: each case is one kind of request, made ready in all the forms that it is asked in.

use fieldstone_model::query::{Cursor, CursorKey, Order, Path};
use fieldstone_model::{Comparison, Filter, Query, Value};

use super::sample::Deal;

/// Columns that a list of deals shows.
const COLUMNS: [&str; 7] = [
    "name",
    "amount",
    "status",
    "stage_id",
    "close_date",
    "owner_id",
    "updated_at",
];
/// The same with the names of what they refer to.
const JOINED: [&str; 7] = [
    "name",
    "amount",
    "status",
    "close_date",
    "account.name",
    "owner.name",
    "updated_at",
];

/// One kind of request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// What the table calls it.
    pub(crate) name: &'static str,
    /// Whose records are asked for.
    pub(crate) among: Among,
    /// What is asked.
    pub(crate) ask: Ask,
}

/// Whose records are asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Among {
    /// The tenant with a million deals.
    Large,
    /// So many of the tenants with a thousand.
    Small(usize),
    /// Of the tenant with a million, by somebody who sees less: who that is says `load.sql`.
    Seeing(&'static str),
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ask {
    /// One deal, all its fields.
    Get,
    /// A page.
    List(fn(&Deal) -> Query),
    /// A page of a search, and in which ways the store looks for its words until the page is full.
    Search(fn(&Deal) -> Query, &'static [Way]),
    /// How many there are.
    Count(fn(&Deal) -> Query),
    /// A change of one deal's amount.
    Update,
    /// A new deal.
    Create,
}

/// How the words of a search are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The last word's records first.
    LastWord,
    /// The newest records first.
    Newest,
    /// The records with all words.
    AllWords,
}

/// All cases, in the order of the table.
pub(crate) fn all() -> Vec<Case> {
    use Among::{Large, Small};
    let case = |name, among, ask| Case { name, among, ask };
    let mut cases = vec![
        case("get, 1,000,000 deals", Large, Ask::Get),
        case("get, among 10 tenants", Small(10), Ask::Get),
        case("get, among 1,000 tenants", Small(1_000), Ask::Get),
        case("list of 50, newest first", Large, Ask::List(|_| list())),
        case(
            "list of 50, among 10 tenants",
            Small(10),
            Ask::List(|_| list()),
        ),
        case(
            "list of 50, among 1,000 tenants",
            Small(1_000),
            Ask::List(|_| list()),
        ),
        case(
            "list of 50 with account.name and owner.name",
            Large,
            Ask::List(|_| Query::new("deal").columns(JOINED)),
        ),
        case(
            "list of 50, filtered (status, amount)",
            Large,
            Ask::List(|_| list().filter(filtered())),
        ),
        case(
            "list of 50 by amount, first page",
            Large,
            Ask::List(|_| by("amount")),
        ),
        case(
            "list of 50 by amount, deep page",
            Large,
            Ask::List(|deal| after(by("amount"), deal.amount, deal)),
        ),
        case(
            "list of 50 by custom field, first page",
            Large,
            Ask::List(|_| by("score")),
        ),
        case(
            "list of 50 by custom field, deep page",
            Large,
            Ask::List(|deal| after(by("score"), deal.score, deal)),
        ),
        case(
            "search, rare word",
            Large,
            Ask::Search(|deal| search(&rare(deal)), &[Way::LastWord]),
        ),
        case(
            "search, common word",
            Large,
            Ask::Search(|_| search("renewal"), &[Way::Newest]),
        ),
        case(
            "search, one letter",
            Large,
            Ask::Search(|_| search("p"), &[Way::Newest]),
        ),
        case(
            "search, two common words",
            Large,
            Ask::Search(|_| search("aurora renewal"), &[Way::Newest]),
        ),
        case(
            "search, rare and common word",
            Large,
            Ask::Search(
                |deal| search(&format!("basic {}", rare(deal))),
                &[Way::LastWord],
            ),
        ),
        case(
            "search, common words never together",
            Large,
            Ask::Search(|_| search("renewal upgrade"), &[Way::Newest, Way::AllWords]),
        ),
        case(
            "count, one status",
            Small(1_000),
            Ask::Count(|_| {
                Query::new("deal").filter(Filter::equal("status", Value::Text("won".to_owned())))
            }),
        ),
        case("update", Large, Ask::Update),
        case("create", Large, Ask::Create),
    ];
    cases.extend(seeing());
    cases
}

/// Lists and figures of people who see less than all.
fn seeing() -> Vec<Case> {
    use Among::Seeing;
    let case = |name, among, ask| Case { name, among, ask };
    vec![
        case(
            "list of 50, own records, 50 of 1,000,000",
            Seeing("own, few"),
            Ask::List(|_| list()),
        ),
        case(
            "list of 50, own records, 250,000 of 1,000,000",
            Seeing("own, many"),
            Ask::List(|_| list()),
        ),
        case(
            "list of 50, a team's records, 150 of 1,000,000",
            Seeing("team, few"),
            Ask::List(|_| list()),
        ),
        case(
            "list of 50 by amount, a team's records",
            Seeing("team, few"),
            Ask::List(|_| by("amount")),
        ),
        case(
            "list of 50 by amount, own records, 250,000",
            Seeing("own, many"),
            Ask::List(|_| by("amount")),
        ),
        case(
            "search of a common word, own records, 50",
            Seeing("own, few"),
            Ask::Search(|_| search("renewal"), &[Way::Newest]),
        ),
        case(
            "count of own records, 50",
            Seeing("own, few"),
            Ask::Count(|_| Query::new("deal")),
        ),
    ]
}

fn list() -> Query {
    Query::new("deal").columns(COLUMNS)
}

fn filtered() -> Filter {
    Filter::equal("status", Value::Text("open".to_owned())).and(Filter::compare(
        "amount",
        Comparison::Greater,
        Value::Int(1_000_000),
    ))
}

fn by(field: &str) -> Query {
    let order = vec![Order {
        path: Path::from_text(field),
        descending: true,
    }];
    Query {
        order,
        ..list().column("score")
    }
}

fn after(mut query: Query, key: i64, deal: &Deal) -> Query {
    query.cursor = Some(Cursor {
        keys: vec![CursorKey::Int(key)],
        id: deal.id,
        backward: false,
    });
    query
}

fn search(words: &str) -> Query {
    Query {
        search: Some(words.to_owned()),
        ..list()
    }
}

/// A number that stands in the name of about one deal.
fn rare(deal: &Deal) -> String {
    (100_000 + deal.score).to_string()
}
