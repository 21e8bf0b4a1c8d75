//! What activities share: the record they are about.

use crate::{Field, objects::SUBJECTS};

/// The record an activity is about.
pub(crate) const ABOUT: Field = Field::any_relation(11, "about_id", SUBJECTS).salesforce("WhatId");
