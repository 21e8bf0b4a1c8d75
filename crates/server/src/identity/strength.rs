//! Whether a new password is good enough: long, hard to guess, and nobody's name. No rules of composition (ASVS 5.0, 6.2.1 to 6.2.12).

use zxcvbn::{
    Score,
    feedback::{Suggestion, Warning},
    zxcvbn,
};

/// Fewest characters of a new password.
pub const MIN_CHARS: usize = 12;
/// Most bytes of a password that is looked at at all.
pub const MAX_BYTES: usize = 1024;
/// A password whose guesses number less than this many powers of ten is refused; 10 is the score 4 of zxcvbn, 8 its 3.
const WANTED: Score = Score::Three;
/// What is left of a password without the person's own words has to have this many characters.
const LEFT_CHARS: usize = 8;

/// Passwords that look good to an estimate and are known to everybody, without spaces and capitals.
const FAMOUS: [&str; 3] = [
    "correcthorsebatterystaple",
    "maytheforcebewithyou",
    "openthepodbaydoorshal",
];

/// Whose password it is to be: what it may not consist of.
#[derive(Debug, Clone, Default)]
pub struct OwnWords(Vec<String>);

impl OwnWords {
    /// The words in a person's name, address and workspace's name.
    pub fn of(name: &str, email: &str, workspace: &str) -> Self {
        let mut words = vec!["fieldstone".to_owned()];
        for text in [email, name, workspace] {
            let text = text.to_lowercase();
            words.extend(
                text.split(|c: char| !c.is_alphanumeric())
                    .filter(|word| word.chars().count() >= 3)
                    .map(str::to_owned),
            );
            words.push(text);
        }
        // The longest first, so that the whole address goes before its parts.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        words.retain(|word| !word.is_empty());
        words.dedup();
        Self(words)
    }
}

/// Why a new password isn't taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Weakness {
    /// Fewer than [`MIN_CHARS`] characters.
    #[error("a password has at least 12 characters")]
    TooShort,
    /// More than [`MAX_BYTES`] bytes.
    #[error("a password has at most 1024 bytes")]
    TooLong,
    /// It is the person's own name, address or workspace, with little around it.
    #[error("a password is not made of one's own name, address or workspace")]
    Own,
    /// It is among those that many people use, or nearly so.
    #[error("this password is used by many; choose another one")]
    Common,
    /// It is a row of keys or letters, or the same thing again and again.
    #[error("this password is a pattern that is easy to guess; add other words")]
    Pattern,
    /// It is dates, names or single words.
    #[error("this password is easy to guess; add another word or two")]
    Guessable,
    /// It is the password that it is to replace.
    #[error("the new password is the old one")]
    Same,
}

impl Weakness {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::TooShort,
        Self::TooLong,
        Self::Own,
        Self::Common,
        Self::Pattern,
        Self::Guessable,
        Self::Same,
    ];

    /// A stable name, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Own => "own_words",
            Self::Common => "common",
            Self::Pattern => "pattern",
            Self::Guessable => "guessable",
            Self::Same => "same",
        }
    }

    /// The key of the text with advice for a person.
    pub fn text_key(self) -> &'static str {
        match self {
            Self::TooShort => "password-too-short",
            Self::TooLong => "password-too-long",
            Self::Own => "password-own-words",
            Self::Common => "password-common",
            Self::Pattern => "password-pattern",
            Self::Guessable => "password-guessable",
            Self::Same => "password-same",
        }
    }
}

/// Checks the size of a password: cheap, so it comes before everything else.
pub(super) fn check_size(password: &str) -> Result<(), Weakness> {
    if password.len() > MAX_BYTES {
        Err(Weakness::TooLong)
    } else if password.chars().count() < MIN_CHARS {
        Err(Weakness::TooShort)
    } else {
        Ok(())
    }
}

/// Checks a new password. Takes about a millisecond, so it runs where hashes do.
pub(super) fn check(password: &str, own: &OwnWords) -> Result<(), Weakness> {
    check_size(password)?;
    let mut left = password.to_lowercase();
    for word in &own.0 {
        left = left.replace(word.as_str(), "");
    }
    if left.chars().filter(|c| c.is_alphanumeric()).count() < LEFT_CHARS
        && left.chars().count() < password.to_lowercase().chars().count()
    {
        return Err(Weakness::Own);
    }
    let letters: String = password
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    if FAMOUS.contains(&letters.as_str()) {
        return Err(Weakness::Common);
    }
    let words: Vec<&str> = own.0.iter().map(String::as_str).collect();
    let estimate = zxcvbn(password, &words);
    if estimate.score() >= WANTED {
        return Ok(());
    }
    let feedback = estimate.feedback();
    Err(
        match feedback.and_then(zxcvbn::feedback::Feedback::warning) {
            Some(
                Warning::ThisIsATop10Password
                | Warning::ThisIsATop100Password
                | Warning::ThisIsACommonPassword
                | Warning::ThisIsSimilarToACommonlyUsedPassword,
            ) => Weakness::Common,
            Some(
                Warning::StraightRowsOfKeysAreEasyToGuess
                | Warning::ShortKeyboardPatternsAreEasyToGuess
                | Warning::RepeatsLikeAaaAreEasyToGuess
                | Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess
                | Warning::SequencesLikeAbcAreEasyToGuess,
            ) => Weakness::Pattern,
            None if feedback.is_some_and(|feedback| {
                feedback
                    .suggestions()
                    .contains(&Suggestion::AvoidRepeatedWordsAndCharacters)
            }) =>
            {
                Weakness::Pattern
            }
            Some(_) | None => Weakness::Guessable,
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> OwnWords {
        OwnWords::of(
            "Marta Penhallow",
            "marta.p@penhallow-crm.example",
            "Lantern Works",
        )
    }

    #[test]
    fn sentences_and_random_texts_are_good_whatever_they_are_made_of() {
        for good in [
            "correct horse battery",
            "a sentence to remember",
            "wir fahren im Mai nach Travemünde",
            "пароль который не угадать никогда",
            "gT7#kq!02vLm",
            "dGhpcyBpcyBub3QgYSBz",
            &"long enough to be a whole paragraph. ".repeat(27),
        ] {
            assert_eq!(check(good, &own()), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_easily_guessed_is_refused_with_its_reason() {
        for (bad, why) in [
            ("elevenchars", Weakness::TooShort),
            ("", Weakness::TooShort),
            ("password1234", Weakness::Common),
            ("aaaaaaaaaaaaaaaa", Weakness::Pattern),
            ("abcdefghijklmno", Weakness::Pattern),
            ("marta.p@penhallow-crm.example", Weakness::Own),
            ("MartaPenhallow", Weakness::Own),
            ("MartaPenhallow1!", Weakness::Own),
            ("Lantern Works 2026", Weakness::Own),
            ("fieldstone-crm", Weakness::Own),
        ] {
            assert_eq!(check(bad, &own()), Err(why), "{bad}");
        }
        assert_eq!(check(&"ä".repeat(513), &own()), Err(Weakness::TooLong));
        // The reason of these may change with the word lists; that they are refused may not.
        for bad in [
            "password123456",
            "Passw0rd!Passw0rd!",
            "123456789012",
            "iloveyou1234",
            "qwertyuiopasdf",
        ] {
            assert!(check(bad, &own()).is_err(), "{bad}");
        }
    }

    #[test]
    fn common_passwords_are_refused() {
        // The twenty most used ones of at least twelve characters, from published lists.
        for common in [
            "123456789012",
            "1234567890123",
            "qwertyuiop123",
            "password1234",
            "passwordpassword",
            "1q2w3e4r5t6y",
            "q1w2e3r4t5y6",
            "administrator",
            "111111111111",
            "000000000000",
            "abcdefghijkl",
            "qwerty123456",
            "123123123123",
            "iloveyou1234",
            "unitedstates",
            "1qaz2wsx3edc",
            "zaq12wsxcde3",
            "letmein12345",
            "welcome12345",
            "correcthorsebatterystaple",
        ] {
            assert!(check(common, &OwnWords::default()).is_err(), "{common}");
        }
    }
}
