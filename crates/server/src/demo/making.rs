//! Making records: what the generators of both companies share.

use std::collections::HashSet;

use fieldstone_model::{Change, RecordId, Registry, Stage, StageKind, Value, Values};
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use super::{
    random::Random,
    words::{ENDS, FIRST_NAMES, JOBS, LAST_NAMES, REGIONS, STEMS, STREETS, TRADES},
};

/// Records under way.
pub(super) struct Making<'a> {
    pub(super) random: Random,
    pub(super) today: Date,
    pub(super) registry: &'a Registry,
    /// People with records of their own, by how many.
    pub(super) owners: Vec<(RecordId, u32)>,
    pub(super) changes: Vec<Change>,
    names: HashSet<String>,
}

/// An account, as other records need it.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) id: RecordId,
    pub(super) name: String,
    pub(super) domain: String,
    pub(super) owner: RecordId,
    pub(super) contacts: Vec<RecordId>,
}

/// The stages of the first pipeline.
pub(super) struct Stages {
    pub(super) open: Vec<RecordId>,
    pub(super) won: RecordId,
    pub(super) lost: RecordId,
}

impl Stages {
    /// `None` while the workspace has no pipeline to win and lose in.
    pub(super) fn of(registry: &Registry) -> Option<Self> {
        let pipeline = registry.first_stage()?.pipeline_id;
        let of = |kind: StageKind| -> Vec<&Stage> {
            let stages = registry.stages().iter();
            stages
                .filter(|stage| stage.pipeline_id == pipeline && stage.kind == kind)
                .collect()
        };
        Some(Self {
            open: of(StageKind::Open).iter().map(|stage| stage.id).collect(),
            won: of(StageKind::Won).first()?.id,
            lost: of(StageKind::Lost).first()?.id,
        })
    }
}

pub(super) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

impl<'a> Making<'a> {
    pub(super) fn new(
        seed: u64,
        today: Date,
        registry: &'a Registry,
        owners: Vec<(RecordId, u32)>,
    ) -> Self {
        Self {
            random: Random::new(seed),
            today,
            registry,
            owners,
            changes: Vec::new(),
            names: HashSet::new(),
        }
    }

    /// Adds a record as if it had been made on `day`, at some time of its working hours.
    pub(super) fn add(&mut self, object: &str, day: Date, values: Values) -> Option<RecordId> {
        let prefix = self.registry.object(object)?.prefix;
        // Nothing is made in the future: its id would sort before what people make now.
        let at = self.time(day.min(self.yesterday()));
        let id = RecordId::compose(prefix, at, self.random.bits());
        self.changes.push(Change::Create {
            object: object.to_owned(),
            id,
            values,
        });
        Some(id)
    }

    fn yesterday(&self) -> Date {
        self.day(-1)
    }

    /// The day so many days after today.
    pub(super) fn day(&self, days: i64) -> Date {
        shift(self.today, days)
    }

    /// A time of the working hours of `day`, to the minute.
    pub(super) fn time(&mut self, day: Date) -> Timestamp {
        let (hour, minute) = (self.random.range(8, 17), self.random.range(0, 59));
        let (Ok(hour), Ok(minute)) = (i8::try_from(hour), i8::try_from(minute)) else {
            return Timestamp::UNIX_EPOCH;
        };
        TimeZone::UTC
            .to_timestamp(day.at(hour, minute, 0, 0))
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Somebody with records of their own.
    pub(super) fn owner(&mut self) -> Option<RecordId> {
        self.random.weighted(&self.owners).copied()
    }

    /// An invented place.
    pub(super) fn place(&mut self) -> String {
        format!("{}{}", self.random.word(STEMS), self.random.word(ENDS))
    }

    /// An invented person: first and last name.
    pub(super) fn person(&mut self) -> (&'static str, &'static str) {
        (self.random.word(FIRST_NAMES), self.random.word(LAST_NAMES))
    }

    /// A number of the range that is kept for fiction.
    pub(super) fn phone(&mut self) -> String {
        format!(
            "+1 {} 555 01{:02}",
            self.random.range(201, 989),
            self.random.range(0, 99)
        )
    }

    /// Adds an account whose name no other one has.
    pub(super) fn account(&mut self, kinds: &[(&str, u32)]) -> Option<Account> {
        let (name, industry) = loop {
            let (trade, industry) = self.random.pick(TRADES).copied()?;
            let name = format!("{} {trade}", self.place());
            if self.names.insert(name.clone()) {
                break (name, industry);
            }
        };
        let domain = format!("{}.example", name.to_lowercase().replace(' ', "-"));
        let owner = self.owner()?;
        let city = self.place();
        let number = self.random.range(1, 180);
        let values = Values::new()
            .with("name", text(&name))
            .with("owner_id", Value::Id(owner))
            .with("kind", text(self.random.weighted(kinds).copied()?))
            .with("industry", text(industry))
            .with("phone", text(self.phone()))
            .with("email", text(format!("office@{domain}")))
            .with("website", text(format!("https://www.{domain}")))
            .with(
                "employees",
                Value::Int(self.random.log_normal(60, 1.2, 2, 20_000)),
            )
            .with(
                "annual_revenue",
                Value::Int(self.random.log_normal(80_000, 1.3, 2_000, 90_000_000) * 10_000),
            )
            .with("founded", Value::Int(self.random.range(1898, 2019)))
            .with(
                "street",
                text(format!("{number} {}", self.random.word(STREETS))),
            )
            .with("city", text(city))
            .with(
                "postal_code",
                text(format!("{:05}", self.random.range(10_000, 99_999))),
            )
            .with("region", text(self.random.word(REGIONS)));
        let day = self.random.range(-1_000, -30);
        let id = self.add("account", self.day(day), values)?;
        Some(Account {
            id,
            name,
            domain,
            owner,
            contacts: Vec::new(),
        })
    }

    /// Adds somebody who works at `account`.
    pub(super) fn contact(&mut self, account: &mut Account) -> Option<RecordId> {
        let (first, last) = self.person();
        let mailbox = format!("{first}.{last}").to_lowercase();
        let mut values = Values::new()
            .with("first_name", text(first))
            .with("last_name", text(last))
            .with("account_id", Value::Id(account.id))
            .with("owner_id", Value::Id(account.owner))
            .with("job_title", text(self.random.word(JOBS)))
            .with("email", text(format!("{mailbox}@{}", account.domain)))
            .with("phone", text(self.phone()));
        if self.random.chance(40) {
            values.set("mobile", text(self.phone()));
        }
        let day = self.random.range(-900, -10);
        let id = self.add("contact", self.day(day), values)?;
        account.contacts.push(id);
        Some(id)
    }
}

/// The day so many days later.
pub(super) fn shift(day: Date, days: i64) -> Date {
    day.saturating_add(days.days())
}
