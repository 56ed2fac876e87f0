//! The closed lists of words that are persisted or cross into JavaScript, each in one table.

/// Declares an enum with its one table of words: `as_str`, its inverse, and all values for tests and user interfaces.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$variant_meta])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }
    };
}
pub(crate) use words;

words! {
    /// The persisted states of a stored session (design section 5). Proven, suspect and unsupported are derived.
    State { Active = "active", Lost = "lost", Expired = "expired", Blocked = "blocked" }
}

words! {
    /// What the host knows of the network. `unknown` is treated as online; online is never proof.
    Connectivity { Online = "online", Offline = "offline", Unknown = "unknown" }
}

words! {
    /// What a user interface offers, as a translation key.
    Action {
        Play = "play",
        Try = "try",
        Connect = "connect",
        SignIn = "sign-in",
        FreeDevice = "free-device",
        ChangeLocation = "change-location",
        Renew = "renew",
        Wait = "wait",
        DownloadAgain = "download-again",
    }
}

words! {
    /// Why a stored session stands as it does, or why its work waits.
    Reason {
        // suspect
        NeverProven = "never-proven",
        NewGeneration = "new-generation",
        CdmNotObserved = "cdm-not-observed",
        ExpirationPassed = "expiration-passed",
        PlaybackBroken = "playback-broken",
        // lost
        Gone = "gone",
        Hollow = "hollow",
        ForeignKeys = "foreign-keys",
        SystemIdChanged = "system-id-changed",
        LoadFailed = "load-failed",
        Released = "released",
        IdReused = "id-reused",
        // expired
        Expired = "expired",
        // blocked
        Auth = "auth",
        Geo = "geo",
        Entitlement = "entitlement",
        OfflineNotAllowed = "offline-not-allowed",
        DeviceLimit = "device-limit",
        Concurrency = "concurrency",
        Revoked = "revoked",
        Rejected = "rejected",
        Unverified = "unverified",
        // waiting
        InUse = "in-use",
        KeysNotReady = "keys-not-ready",
        Throttled = "throttled",
        Unreachable = "unreachable",
        ServerError = "server-error",
        Timeout = "timeout",
        CatalogueChanged = "catalogue-changed",
        OpenInPlayer = "open-in-player",
        // of the lane or the content, never of a row
        NoLicenseData = "no-license-data",
        NotInCatalogue = "not-in-catalogue",
        Offline = "offline",
        NoDriver = "no-driver",
        Unavailable = "unavailable",
        Unsupported = "unsupported",
        OtherAccount = "other-account",
        Unknown = "unknown",
    }
}

words! {
    /// Why the app holds a content or a lane.
    HoldKind {
        /// A title is playing: it is not checked, adopted or released.
        Playing = "playing",
        /// A download is writing licences: no writer runs in its lane.
        Downloading = "downloading",
    }
}

impl Reason {
    /// What a user interface offers for a title that does not play for this reason.
    pub fn action(self) -> Action {
        match self {
            Self::Auth | Self::OtherAccount => Action::SignIn,
            Self::Geo => Action::ChangeLocation,
            Self::DeviceLimit => Action::FreeDevice,
            Self::Expired | Self::Entitlement => Action::Renew,
            Self::Revoked | Self::NoLicenseData | Self::NotInCatalogue => Action::DownloadAgain,
            Self::OfflineNotAllowed | Self::Offline | Self::Unsupported | Self::Unknown => Action::Connect,
            Self::NeverProven
            | Self::NewGeneration
            | Self::CdmNotObserved
            | Self::ExpirationPassed
            | Self::PlaybackBroken
            | Self::Gone
            | Self::Hollow
            | Self::ForeignKeys
            | Self::SystemIdChanged
            | Self::LoadFailed
            | Self::Released
            | Self::IdReused
            | Self::Concurrency
            | Self::Rejected
            | Self::Unverified
            | Self::InUse
            | Self::KeysNotReady
            | Self::Throttled
            | Self::Unreachable
            | Self::ServerError
            | Self::Timeout
            | Self::CatalogueChanged
            | Self::OpenInPlayer
            | Self::NoDriver
            | Self::Unavailable => Action::Wait,
        }
    }

    /// Of a lost session: the CDM no longer holds our licence under the old id. A hollow leftover is still ours, and so is
    /// one whose release the server has not heard of yet.
    pub fn leaves_stale_id(self) -> bool {
        matches!(self, Self::Gone | Self::ForeignKeys | Self::SystemIdChanged | Self::IdReused)
    }
}
