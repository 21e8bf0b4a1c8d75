//! The sales company: two years of deals behind it and a quarter ahead.

use fieldstone_model::{Change, RecordId, Registry, Value, Values};
use jiff::{ToSpan as _, civil::Date};

use super::{
    activity::{Subject, activities},
    making::{Account, Making, Stages, shift, text},
    words::{CASES, CATALOGUE, JOBS, LOST_REASONS, NEXT_STEPS, PROJECTS},
};

const ACCOUNTS: usize = 900;
const CONTACTS: usize = 2_500;
const LEADS: usize = 600;
const DEALS: usize = 10_000;
const LINES: usize = 6_000;
const CASE_COUNT: usize = 400;
/// Tasks, events, calls, notes.
const ACTIVITIES: [usize; 4] = [3_000, 600, 900, 700];

const KINDS: &[(&str, u32)] = &[
    ("customer", 55),
    ("prospect", 30),
    ("partner", 6),
    ("supplier", 4),
    ("former", 5),
];
const SOURCES: &[(&str, u32)] = &[
    ("website", 30),
    ("referral", 22),
    ("phone", 12),
    ("email", 12),
    ("event", 10),
    ("partner", 8),
    ("advertising", 6),
];

struct Product {
    id: RecordId,
    name: &'static str,
    price: i64,
}

/// Two years of a company that sells; empty while it has no pipeline.
pub(super) fn changes(
    today: Date,
    registry: &Registry,
    owners: Vec<(RecordId, u32)>,
) -> Vec<Change> {
    let mut making = Making::new(0x0F1E_1D57_0E5A_1E50, today, registry, owners);
    let made = fill(&mut making);
    debug_assert!(made.is_some(), "the workspace has people and a pipeline");
    making.changes
}

fn fill(making: &mut Making<'_>) -> Option<()> {
    let stages = Stages::of(making.registry)?;
    let products = products(making)?;
    let mut accounts = Vec::with_capacity(ACCOUNTS);
    for _ in 0..ACCOUNTS {
        accounts.push(making.account(KINDS)?);
    }
    for at in 0..CONTACTS {
        // Everybody has one contact; some have many.
        let place = if at < ACCOUNTS {
            at
        } else {
            making
                .random
                .below(ACCOUNTS)
                .min(making.random.below(ACCOUNTS))
        };
        making.contact(accounts.get_mut(place)?)?;
    }
    let mut subjects: Vec<Subject> = Vec::new();
    let mut lines = 0;
    for at in 0..DEALS {
        let (id, owner, day) = deal(making, &stages, &accounts, &products, at, &mut lines)?;
        subjects.push(Subject { id, owner, day });
    }
    for at in 0..LEADS {
        lead(making, &accounts, at)?;
    }
    for _ in 0..CASE_COUNT {
        case(making, &accounts, CASES, -540)?;
    }
    activities(making, &subjects, ACTIVITIES)
}

fn products(making: &mut Making<'_>) -> Option<Vec<Product>> {
    let mut products = Vec::new();
    for (family, items) in CATALOGUE {
        for ((name, price), number) in items.iter().zip(1..) {
            let code: String = family.chars().take(3).collect();
            let values = Values::new()
                .with("name", text(*name))
                .with("code", text(format!("{}-{number:02}", code.to_uppercase())))
                .with("family", text(*family))
                .with("price", Value::Int(*price))
                .with("active", Value::Bool(number < 5 || *family != "Lighting"));
            let id = making.add("product", making.day(-1_050), values)?;
            products.push(Product {
                id,
                name,
                price: *price,
            });
        }
    }
    Some(products)
}

/// When a deal ends, or is expected to: business grows, December is quiet, the quarter's end is busy.
fn close_day(making: &mut Making<'_>) -> Date {
    loop {
        let first = making.random.range(-730, 90);
        let growth = u32::try_from((first + 730) / 16).unwrap_or(0);
        let day = making.day(first);
        let season = match (day.month(), day.day()) {
            (12, 15..) => 15,
            (3 | 6 | 9, 20..) => 60,
            (7 | 8, _) => 25,
            _ => 40,
        };
        if making.random.chance((season + growth).min(100)) {
            return day;
        }
    }
}

fn deal(
    making: &mut Making<'_>,
    stages: &Stages,
    accounts: &[Account],
    products: &[Product],
    at: usize,
    lines: &mut usize,
) -> Option<(RecordId, RecordId, Date)> {
    // A few accounts buy often.
    let place = making
        .random
        .below(accounts.len())
        .min(making.random.below(accounts.len()));
    let account = accounts.get(place)?;
    let close = close_day(making);
    let cycle = making.random.log_normal(45, 0.6, 5, 240);
    let open = shift(close, -cycle).min(making.day(-1));
    let owner = if making.random.chance(80) {
        account.owner
    } else {
        making.owner()?
    };
    let wanted = if *lines < LINES && at.is_multiple_of(4)
        || LINES - (*lines).min(LINES) > (DEALS - at) * 2
    {
        usize::try_from(making.random.range(1, 4))
            .unwrap_or(1)
            .min(LINES - *lines)
    } else {
        0
    };
    let (amount, basket) = basket(making, products, wanted)?;
    *lines += basket.len();
    let project = match basket.first() {
        Some(line) if making.random.chance(40) => line.product.name,
        _ => making.random.word(PROJECTS),
    };
    let mut values = Values::new()
        .with("name", text(format!("{} – {project}", account.name)))
        .with("account_id", Value::Id(account.id))
        .with("owner_id", Value::Id(owner))
        .with("amount", Value::Int(amount))
        .with("open_date", Value::Date(open))
        .with("close_date", Value::Date(close))
        .with("source", text(making.random.weighted(SOURCES).copied()?));
    if let Some(contact) = making.random.pick(&account.contacts).copied() {
        values.set("contact_id", Value::Id(contact));
    }
    let is_over = close < making.today && making.random.chance(97);
    if is_over {
        // Small deals are won more often than large ones.
        let chance = if amount > 2_000_000 { 26 } else { 41 };
        if making.random.chance(chance) {
            values.set("stage_id", Value::Id(stages.won));
        } else {
            values.set("stage_id", Value::Id(stages.lost));
            values.set("lost_reason", text(making.random.word(LOST_REASONS)));
        }
    } else {
        let gone = (making.today - open).get_days().max(0);
        let steps = i64::try_from(stages.open.len()).unwrap_or(1);
        let step = i64::from(gone) * steps / cycle.max(1) + making.random.range(-1, 0);
        let step = usize::try_from(step.clamp(0, steps - 1)).unwrap_or(0);
        values.set("stage_id", Value::Id(*stages.open.get(step)?));
        values.set("next_step", text(making.random.word(NEXT_STEPS)));
    }
    let id = making.add("deal", open, values)?;
    for line in basket {
        let values = Values::new()
            .with("name", text(line.product.name))
            .with("deal_id", Value::Id(id))
            .with("product_id", Value::Id(line.product.id))
            .with("owner_id", Value::Id(owner))
            .with("quantity", Value::Int(line.quantity * 1_000))
            .with("unit_price", Value::Int(line.product.price))
            .with("discount", Value::Int(line.discount));
        making.add("deal_line", open, values)?;
    }
    Some((id, owner, open))
}

struct Line<'a> {
    product: &'a Product,
    quantity: i64,
    /// In hundredths of a percent.
    discount: i64,
}

/// The amount of a deal in hundredths, and the lines that make it up, if it has any.
fn basket<'a>(
    making: &mut Making<'_>,
    products: &'a [Product],
    count: usize,
) -> Option<(i64, Vec<Line<'a>>)> {
    let mut lines = Vec::with_capacity(count);
    let mut amount = 0;
    for _ in 0..count {
        let product = making.random.pick(products)?;
        let line = Line {
            product,
            quantity: making.random.log_normal(4, 0.9, 1, 60),
            discount: *making.random.pick(&[0, 0, 0, 500, 1_000, 1_500])?,
        };
        // As the deal line's own rule calculates it: half up to a hundredth.
        amount += (line.quantity * product.price * (10_000 - line.discount) + 5_000) / 10_000;
        lines.push(line);
    }
    if count == 0 {
        amount = making.random.log_normal(8_200, 1.05, 300, 900_000) * 100;
    }
    Some((amount, lines))
}

fn lead(making: &mut Making<'_>, accounts: &[Account], at: usize) -> Option<()> {
    let (first, last) = making.person();
    let company = format!(
        "{} {}",
        making.place(),
        making
            .random
            .word(&["Works", "Group", "Supplies", "Studio", "Yard"])
    );
    let domain = format!("{}.example", company.to_lowercase().replace(' ', "-"));
    let days = making.random.range(-150, -1);
    let day = making.day(days);
    let mailbox = format!("{first}.{last}").to_lowercase();
    let mut values = Values::new()
        .with("first_name", text(first))
        .with("last_name", text(last))
        .with("company", text(&company))
        .with("owner_id", Value::Id(making.owner()?))
        .with("job_title", text(making.random.word(JOBS)))
        .with("email", text(format!("{mailbox}@{domain}")))
        .with("phone", text(making.phone()))
        .with("city", text(making.place()))
        .with("source", text(making.random.weighted(SOURCES).copied()?));
    let converted = at.is_multiple_of(10);
    if converted {
        let account = making.random.pick(accounts)?.clone();
        values.set("status", text("converted"));
        values.set("converted_account_id", Value::Id(account.id));
        if let Some(contact) = account.contacts.first() {
            values.set("converted_contact_id", Value::Id(*contact));
        }
    } else {
        let statuses = [
            ("new", 35),
            ("working", 35),
            ("qualified", 12),
            ("unqualified", 18),
        ];
        values.set("status", text(*making.random.weighted(&statuses)?));
    }
    making.add("lead", day, values).map(drop)
}

/// Adds a case; old ones are closed.
pub(super) fn case(
    making: &mut Making<'_>,
    accounts: &[Account],
    subjects: &[&str],
    since: i64,
) -> Option<Subject> {
    let account = making.random.pick(accounts)?.clone();
    // Squared, so that most cases are recent.
    let part = making.random.range(0, 1_000);
    let days = since * part / 1_000 * part / 1_000;
    let day = making.day(days);
    let status = if days < -21 || making.random.chance(35) {
        "closed"
    } else {
        making.random.word(&["new", "working", "waiting"])
    };
    let owner = making.owner()?;
    let mut values = Values::new()
        .with("subject", text(making.random.word(subjects)))
        .with("account_id", Value::Id(account.id))
        .with("owner_id", Value::Id(owner))
        .with("status", text(status))
        .with(
            "priority",
            text(
                *making
                    .random
                    .weighted(&[("normal", 60), ("low", 22), ("high", 18)])?,
            ),
        )
        .with(
            "origin",
            text(making.random.word(&["phone", "email", "web", "visit"])),
        );
    if let Some(contact) = making.random.pick(&account.contacts).copied() {
        values.set("contact_id", Value::Id(contact));
    }
    let id = making.add("case", day, values)?;
    Some(Subject { id, owner, day })
}

/// An hour or two from a time.
pub(super) fn until(making: &mut Making<'_>, at: jiff::Timestamp) -> jiff::Timestamp {
    let minutes = making.random.range(2, 8) * 15;
    at.saturating_add(minutes.minutes()).unwrap_or(at)
}
