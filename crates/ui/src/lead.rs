//! Converting a lead into an account, a contact and a deal.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Redirect},
};
use fieldstone_model::{
    Filter, Query, Record, RecordId, Value, Values,
    objects::lead::{Conversion, Target, conversion},
};
use fieldstone_store::{ChangeError, Store, StoreError};

use crate::{
    error::PageError,
    form::{control::Control, typed::Typed},
    list::table::name_of,
    notice,
    request::{AtRecord, PageResult, Pairs, Submitted},
};

#[derive(Template)]
#[template(path = "lead/conversion.html")]
struct Page<'a> {
    locale: &'a crate::locale::Locale,
    title: String,
    list: (String, String),
    record: (String, String),
    version: i64,
    new_account: String,
    existing: bool,
    account: Control,
    account_error: Option<String>,
    with_deal: bool,
    deal_name: String,
    deal_error: Option<String>,
    errors: Vec<String>,
}

/// What is entered, and what is wrong with it.
#[derive(Default)]
struct Entered {
    version: i64,
    existing: bool,
    account: Typed,
    account_error: Option<String>,
    with_deal: bool,
    deal_name: String,
    deal_error: Option<String>,
    errors: Vec<String>,
}

/// `GET /leads/{id}/conversion`.
pub(crate) async fn form<S: Store + Clone + 'static>(at: AtRecord<S>) -> PageResult {
    let record = convertible(&at).await?;
    let company = record
        .get("company")
        .as_text()
        .unwrap_or_default()
        .to_owned();
    let mut entered = Entered {
        version: record.version,
        with_deal: true,
        deal_name: if company.is_empty() {
            name_of(&at, &at.object, &record)
        } else {
            company.clone()
        },
        ..Entered::default()
    };
    if !company.is_empty() {
        // An account of the same name is most likely the same company.
        let query = Query::new("account")
            .column("name")
            .filter(Filter::equal("name", Value::Text(company)))
            .limit(1);
        if let Some(account) = at.store.list(&query).await?.records.first() {
            entered.existing = true;
            entered.account = Typed {
                id: account.id.to_string(),
                text: name_of(&at, &at.object, account),
                ..Typed::default()
            };
        }
    }
    respond(&at, StatusCode::OK, &record, entered).await
}

/// `POST /leads/{id}/conversion`: all of it happens, or none of it.
pub(crate) async fn convert<S: Store + Clone + 'static>(
    at: AtRecord<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    let record = convertible(&at).await?;
    let locale = &at.viewer.locale;
    let contact = at.registry().object("contact").ok_or(PageError::NotFound)?;
    let account_field = contact.field("account_id").ok_or(PageError::NotFound)?;
    let mut entered = read(&pairs, account_field).ok_or(PageError::Invalid)?;
    let fresh = |object: &str| at.store.new_id(object).ok_or(PageError::NotFound);
    let account = if entered.existing {
        match entered.account.read(&at, account_field).await? {
            Ok(Value::Id(id)) => Some(Target::Existing(id)),
            Ok(_) => {
                entered.account_error = Some(locale.t("problem-required").into_owned());
                None
            }
            Err(problem) => {
                entered.account_error = Some(problem);
                None
            }
        }
    } else {
        Some(Target::New(fresh("account")?))
    };
    if entered.with_deal && entered.deal_name.is_empty() {
        entered.deal_error = Some(locale.t("problem-required").into_owned());
    }
    let (Some(account), None) = (account, &entered.deal_error) else {
        return respond(&at, StatusCode::UNPROCESSABLE_ENTITY, &record, entered).await;
    };
    let contact_id = fresh("contact")?;
    let deal = if entered.with_deal {
        Some((fresh("deal")?, entered.deal_name.clone()))
    } else {
        None
    };
    let target = landing(account, deal.as_ref());
    let values: Values = record
        .iter()
        .map(|(column, value)| (column.name.clone(), value.clone()))
        .collect();
    let changes = conversion(
        at.id,
        entered.version,
        &values,
        &Conversion {
            account,
            contact_id,
            deal,
        },
    );
    match at.store.apply(&changes).await {
        Ok(_) => Ok(Redirect::to(&notice::address(&target, "converted", at.id)).into_response()),
        Err(StoreError::Change(index, ChangeError::Invalid(problems))) => {
            let object = changes
                .get(index)
                .and_then(|change| at.registry().object(change.object()));
            for problem in problems {
                let label = object.and_then(|object| {
                    Some(format!(
                        "{}, {}",
                        locale.object(object),
                        locale.field(object, object.field(&problem.field)?)
                    ))
                });
                entered.errors.push(format!(
                    "{}: {}",
                    label.unwrap_or_else(|| problem.field.clone()),
                    locale.problem(&problem.problem)
                ));
            }
            respond(&at, StatusCode::UNPROCESSABLE_ENTITY, &record, entered).await
        }
        Err(error) => Err(error.into()),
    }
}

/// The page to go on with: the deal, or the account.
fn landing(account: Target, deal: Option<&(RecordId, String)>) -> String {
    let (Target::Existing(account) | Target::New(account)) = account;
    deal.map_or_else(
        || format!("/accounts/{account}"),
        |(id, _)| format!("/deals/{id}"),
    )
}

fn read(pairs: &Pairs, account_field: &fieldstone_model::Field) -> Option<Entered> {
    Some(Entered {
        version: pairs.get("version")?.parse().ok()?,
        existing: pairs.get("account") == Some("existing"),
        account: Typed::of_pairs(account_field, pairs),
        with_deal: pairs.get("with_deal").is_some(),
        deal_name: pairs.get("deal_name").unwrap_or_default().trim().to_owned(),
        ..Entered::default()
    })
}

/// The lead, if it can be converted by this person.
async fn convertible<S: Store + Clone + 'static>(at: &AtRecord<S>) -> Result<Record, PageError> {
    if at.object.name != "lead" {
        return Err(PageError::NotFound);
    }
    if !at.may_write(&at.object) {
        return Err(PageError::Forbidden);
    }
    let record = at.store.get("lead", at.id, &[]).await?;
    let open = !record.deleted && record.get("status").as_text() != Some("converted");
    if open {
        Ok(record)
    } else {
        Err(PageError::Conflict)
    }
}

async fn respond<S: Store + Clone + 'static>(
    at: &AtRecord<S>,
    status: StatusCode,
    record: &Record,
    entered: Entered,
) -> PageResult {
    let locale = &at.viewer.locale;
    let contact = at.registry().object("contact").ok_or(PageError::NotFound)?;
    let account_field = contact.field("account_id").ok_or(PageError::NotFound)?;
    let mut account =
        Control::of(at, contact, account_field, "account_id", entered.account).await?;
    account.label = locale.t("conversion-existing").into_owned();
    account.invalid = entered.account_error.is_some();
    account.described_by = entered
        .account_error
        .is_some()
        .then(|| "account-error".to_owned());
    let name = name_of(at, &at.object, record);
    let company = record
        .get("company")
        .as_text()
        .filter(|company| !company.is_empty())
        .unwrap_or(&name);
    let title = locale.t1("conversion-title", "name", name.as_str());
    let page = Page {
        title: title.clone(),
        list: ("/leads".to_owned(), locale.objects(&at.object)),
        record: (format!("/leads/{}", at.id), name.clone()),
        version: entered.version,
        new_account: locale.t1("conversion-new", "name", company),
        existing: entered.existing,
        account,
        account_error: entered.account_error,
        with_deal: entered.with_deal,
        deal_name: entered.deal_name,
        deal_error: entered.deal_error,
        errors: entered.errors,
        locale,
    };
    Ok(at.page_with(status, title, &page))
}
