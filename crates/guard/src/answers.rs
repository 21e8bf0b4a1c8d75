//! What only a phone's own interfaces can tell, in Java or Swift: who signed and installed the app, what the maker vouches for, whether a
//! passcode is set. The app's glue answers; what each answer means is here.

use crate::finding::{Family, Finding};

/// An answer of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// There is no answer on this device, or not now: no network, an old system, no service of the maker. Never counted as good: it is
    /// reported, and the platform decides.
    None,
}

/// What the app's glue in Java or Swift answers. Each answer is asked for once per start, before keys are touched.
pub trait Answers: Send {
    /// Whether the app is signed by whom it should be.
    ///
    /// Android: `PackageManager.getPackageInfo(GET_SIGNING_CERTIFICATES).signingInfo`; the SHA-256 of the one certificate equals the one
    /// compiled in. iOS: `SecCodeCopySelf`'s team identifier isn't available to apps; answer [`Answer::Good`] when App Attest succeeded.
    fn signature(&self) -> Answer;
    /// Whether a store installed it.
    ///
    /// Android: `getInstallSourceInfo().installingPackageName` is `com.android.vending` or the company's own device management. iOS: the
    /// receipt exists and is no sandbox receipt; `embedded.mobileprovision` is absent.
    fn installer(&self) -> Answer;
    /// Whether the maker vouches for device and app.
    ///
    /// Android: Play Integrity, `MEETS_DEVICE_INTEGRITY` and `PLAY_RECOGNIZED`, with a nonce of the platform's, verified by the platform. iOS:
    /// App Attest, verified by the platform.
    fn attestation(&self) -> Answer;
    /// Whether keys are in hardware and the system that started was verified.
    ///
    /// Android: Keystore attestation, security level `TRUSTED_ENVIRONMENT` or `STRONG_BOX`, `verifiedBootState` `VERIFIED`, device locked.
    /// iOS: always good where there is a Secure Enclave.
    fn keystore(&self) -> Answer;
    /// Whether the device has a passcode.
    ///
    /// Android: `KeyguardManager.isDeviceSecure()`. iOS: `LAContext.canEvaluatePolicy(.deviceOwnerAuthentication)`.
    fn passcode(&self) -> Answer;
    /// Whether nobody can debug the app.
    ///
    /// Android: `!Debug.isDebuggerConnected()` and the app isn't `FLAG_DEBUGGABLE`. iOS: answered by libc; say [`Answer::Good`].
    fn debugger(&self) -> Answer;
}

/// What the answers come to.
pub fn judge(answers: &dyn Answers) -> Vec<Finding> {
    let asked = [
        (
            Family::Tools,
            "signature",
            answers.signature(),
            "the app isn't signed by its maker",
        ),
        (
            Family::Tools,
            "installer",
            answers.installer(),
            "the app wasn't installed by a store",
        ),
        (
            Family::Root,
            "attestation",
            answers.attestation(),
            "the device's maker doesn't vouch for it",
        ),
        (
            Family::Root,
            "keystore",
            answers.keystore(),
            "keys aren't in verified hardware",
        ),
        (
            Family::Root,
            "passcode",
            answers.passcode(),
            "the device has no passcode",
        ),
        (
            Family::Debugger,
            "java",
            answers.debugger(),
            "the app can be debugged",
        ),
    ];
    asked
        .into_iter()
        .filter(|(_, _, answer, _)| *answer == Answer::Bad)
        .map(|(family, check, _, evidence)| Finding::new(family, check, evidence))
        .collect()
}

/// The checks that got no answer, for the report to the platform.
pub fn unanswered(answers: &dyn Answers) -> Vec<&'static str> {
    let asked = [
        ("signature", answers.signature()),
        ("installer", answers.installer()),
        ("attestation", answers.attestation()),
        ("keystore", answers.keystore()),
        ("passcode", answers.passcode()),
        ("java", answers.debugger()),
    ];
    asked
        .into_iter()
        .filter(|(_, answer)| *answer == Answer::None)
        .map(|(check, _)| check)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Phone(Answer);

    impl Answers for Phone {
        fn signature(&self) -> Answer {
            self.0
        }
        fn installer(&self) -> Answer {
            Answer::Good
        }
        fn attestation(&self) -> Answer {
            self.0
        }
        fn keystore(&self) -> Answer {
            Answer::Good
        }
        fn passcode(&self) -> Answer {
            Answer::Good
        }
        fn debugger(&self) -> Answer {
            Answer::Good
        }
    }

    #[test]
    fn a_bad_answer_is_a_finding_and_no_answer_is_said() {
        assert!(judge(&Phone(Answer::Good)).is_empty());
        assert_eq!(judge(&Phone(Answer::Bad)).len(), 2);
        assert!(judge(&Phone(Answer::None)).is_empty());
        assert_eq!(
            unanswered(&Phone(Answer::None)),
            ["signature", "attestation"]
        );
    }
}
