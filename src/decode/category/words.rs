//! What words of a field's name mean: data, one entry a category and place. How they are found is `lexicon`'s, and whether a value
//! could be what its name says is `plausible`'s.
//!
//! A word stands here only if it can hardly mean something else in a field's name (`weidu` is also a dimension), or if its value can
//! tell (`NUMBERS_OF_A_BODY`). Several words are a phrase, which is found written together too (`heartrate`). Accents and umlauts are written
//! as a dictionary has them and found in every usual spelling (`größe`, `groesse`, `grosse`). Chinese and Japanese words are found
//! inside longer ones, because no blank parts them.

use crate::model::Category;

/// Where in a field's path a phrase has to stand to say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// In any name of the path: it speaks for everything below it (`summary.slp.st` is about sleep).
    Anywhere,
    /// In the last name; it may begin in the one before (`user.weight`, `body.weight_kg`).
    Last,
    /// At the end of the last name; it may begin in the one before (`device.id`). The longest such phrase counts.
    AtEnd,
}

/// Phrases that speak of one category.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) category: Category,
    pub(super) stands: Stands,
    pub(super) phrases: &'static [&'static str],
}

const fn entry(category: Category, stands: Stands, phrases: &'static [&'static str]) -> Entry {
    Entry { category, stands, phrases }
}

use Category::{
    AccessToken, AccountId, ActivityIntensity, AdvertisingId, AppUsage, BandBattery, BandFirmware, BandMac, BandSerial, BirthDate,
    BloodOxygen, Calories, CellTower, CoarseLocation, Contacts, CrashReport, Device, DeviceModel, Distance, EmailAddress, HeartRate,
    HeartRateVariability, Height, Identifier, InstallationId, InstalledApps, IpAddress, Locale, Location, MenstrualCycle, Messages,
    NetworkOperator, OsVersion, PairingKey, PersonName, PhoneId, PhoneNumber, Photos, PostalAddress, Profile, Respiration,
    RestingHeartRate, SessionId, Sex, SkinTemperature, Sleep, SleepStages, Steps, Stress, TimeZone, Track, Vitals, Weight, WifiNetwork,
    Workout,
};
use Stands::{Anywhere, AtEnd, Last};

/// Every entry, by group as the taxonomy has them. `slp`, `stp`, `hr` and `rhr` are Mi Fit's (docs/protocols).
#[rustfmt::skip]
pub(super) const ENTRIES: &[Entry] = &[
    // Heart rate.
    entry(HeartRate, Anywhere, &[
        "bpm", "heart", "heartbeat", "heart rate", "hr", "pulse",
        "herzfrequenz", "herzrate", "herzschlag", "puls",
        "frequence cardiaque", "pouls", "rythme cardiaque",
        "frecuencia cardiaca", "pulsaciones", "pulso", "ritmo cardiaco",
        "batimentos", "frequência cardíaca",
        "battiti", "battito", "frequenza cardiaca",
        "tętno", "пульс", "чсс", "心率", "心跳", "心拍", "xinlv",
    ]),
    entry(RestingHeartRate, Anywhere, &[
        "resting bpm", "resting heart", "resting hr", "resting pulse", "rhr", "ruheherzfrequenz", "ruhepuls", "pouls au repos",
        "静息心率", "靜息心率", "安静時心拍",
    ]),
    entry(HeartRateVariability, Anywhere, &[
        "heart rate variability", "hrv", "rmssd", "sdnn", "herzfrequenzvariabilität", "herzratenvariabilität", "心率变异", "心率變異",
        "心拍変動",
    ]),
    // Vitals.
    entry(Vitals, Anywhere, &[
        "blood glucose", "blood pressure", "glucose", "vo2 max", "glukose", "glucosa", "glicemia", "glycémie", "blood sugar", "bmi", "body fat", "body temp", "body temperature", "diastolic", "systolic",
        "blutdruck", "blutzucker", "körperfett", "körpertemperatur", "pression artérielle", "presión arterial", "pressione arteriosa",
        "pressão arterial", "ciśnienie krwi", "артериальное давление",
        "血压", "血壓", "血圧", "血糖", "体温", "體溫", "体脂", "xuetang", "xueya",
    ]),
    entry(BloodOxygen, Anywhere, &[
        "blood oxygen", "o2 saturation", "oxygen saturation", "sao2", "sp o2", "spo2", "blutsauerstoff", "sauerstoffsättigung",
        "saturation oxygène", "saturación de oxígeno", "saturación oxígeno", "saturazione ossigeno", "saturação de oxigênio",
        "сатурация", "血氧", "血中酸素", "xueyang",
    ]),
    entry(Stress, Anywhere, &["stress", "estrés", "стресс", "压力指数", "压力值", "壓力指數", "壓力值", "ストレス"]),
    entry(SkinTemperature, Anywhere, &[
        "skin temp", "skin temperature", "hauttemperatur", "température cutanée", "temperatura cutánea", "temperatura da pele",
        "temperatura de la piel", "temperatura della pelle", "temperatura skóry", "температура кожи", "皮肤温度", "皮膚温", "皮膚溫度",
    ]),
    entry(Respiration, Anywhere, &[
        "breath rate", "breathing rate", "breaths per minute", "respiration", "respiratory rate", "atemfrequenz",
        "fréquence respiratoire", "frecuencia respiratoria", "frequenza respiratoria", "frequência respiratória", "частота дыхания",
        "呼吸率", "呼吸频率", "呼吸頻率", "呼吸数",
    ]),
    entry(MenstrualCycle, Anywhere, &[
        "cycle length", "lmp", "menses", "menstrual", "menstruation", "ovulation", "pregnancy", "pregnant", "eisprung", "menstruationszyklus", "zyklustag", "cycle menstruel",
        "ciclo menstrual", "menstruación", "ciclo mestruale", "mestruazioni", "cykl menstruacyjny", "miesiączka", "менструация",
        "овуляция", "月经", "月經", "生理周期", "生理期", "排卵", "yuejing",
    ]),
    // Sleep.
    entry(Sleep, Anywhere, &[
        "nap", "sleep", "slp", "schlaf", "schlafdauer", "sommeil", "sueño", "sonno", "сон", "睡眠", "shuimian",
    ]),
    entry(SleepStages, Anywhere, &[
        "deep sleep", "light sleep", "rem sleep", "sleep phase", "sleep phases", "sleep stage", "sleep stages",
        "leichtschlaf", "rem schlaf", "schlafphase", "schlafphasen", "tiefschlaf", "sommeil léger", "sommeil profond", "sueño ligero",
        "sueño profundo", "sonno leggero", "sonno profondo", "sono leve", "sono profundo", "глубокий сон", "深睡", "浅睡", "淺睡",
    ]),
    // Steps and other movement.
    entry(Steps, Anywhere, &[
        "pedometer", "step", "step count", "steps", "stp", "schritte", "schrittzahl", "schrittzähler", "nombre de pas", "podomètre",
        "pasos", "podómetro", "passos", "passi", "kroki", "kroków", "шаги", "шагов", "步数", "步數", "歩数", "bushu",
    ]),
    entry(ActivityIntensity, Last, &[
        "active minutes", "activity intensity", "activity level", "intensity minutes", "met minutes", "vigorous minutes",
        "aktivitätsminuten", "minutes actives", "minutos activos", "minuti attivi", "活动强度", "活動強度",
    ]),
    entry(Calories, Last, &[
        "calorie", "calories", "kcal", "kilocalories", "kalorien", "calorías", "calorias", "kalorie", "калории", "ккал", "卡路里",
        "カロリー", "kaluli",
    ]),
    entry(Distance, Last, &[
        "distance run", "distance walked", "run distance", "running distance", "step distance", "walk distance", "walking distance",
        "workout distance", "laufstrecke", "distance parcourue", "distancia recorrida", "distanza percorsa", "distância percorrida",
        "пройденное расстояние", "运动距离", "運動距離", "歩行距離",
    ]),
    entry(Workout, Last, &[
        "exercise type", "sport mode", "sport type", "training type", "workout", "workouts", "sportart", "trainingsart",
        "type de sport", "tipo de deporte", "tipo de ejercicio", "allenamento", "entrenamiento", "тренировка", "运动类型", "運動類型",
    ]),
    // Location.
    entry(Location, Anywhere, &[
        "coord", "coordinate", "coordinates", "coords", "geo", "geoip", "geolocation", "geopoint", "gps", "lat", "latitude", "latlng",
        "latlon", "lng", "location", "locations", "lon", "longitude",
        "breitengrad", "längengrad", "koordinaten", "standort", "coordonnées", "géolocalisation", "localisation", "coordenadas",
        "latitud", "longitud", "ubicación", "localização", "coordinate gps", "latitudine", "localizzazione", "longitudine",
        "długość geograficzna", "lokalizacja", "szerokość geograficzna", "współrzędne", "координаты", "долгота", "местоположение",
        "широта", "经度", "經度", "経度", "纬度", "緯度", "经纬度", "定位", "位置情報", "现在地", "現在地", "dingwei", "jingweidu",
    ]),
    entry(CoarseLocation, Anywhere, &[
        "city", "city name", "locality", "town", "stadt", "ville", "ciudad", "cidade", "città", "miasto", "город", "城市", "市区町村",
        "chengshi",
    ]),
    entry(PostalAddress, Anywhere, &[
        "home address", "house number", "mailing address", "postal address", "postal code", "postcode", "street", "street address",
        "thoroughfare", "zip", "zip code", "zipcode", "hausnummer", "plz", "postleitzahl", "straße", "adresse postale", "code postal",
        "calle", "código postal", "indirizzo di casa", "codice postale", "kod pocztowy", "ulica", "почтовый индекс", "улица",
        "住址", "住所", "街道", "邮编", "邮政编码", "郵便番号", "郵遞區號", "youbian",
    ]),
    entry(Track, Anywhere, &[
        "gps track", "gpx", "longitude latitude", "polyline", "route points", "track points", "trackpoint", "trackpoints", "trace gps",
        "轨迹", "軌跡", "guiji",
    ]),
    entry(CellTower, AtEnd, &[
        "base station", "base station id", "cell id", "cell identity", "cell info", "cell tower", "eci", "enb id", "lac", "funkzelle",
        "基站", "基地局",
    ]),
    entry(WifiNetwork, AtEnd, &[
        "access point", "bssid", "router mac", "ssid", "wifi bssid", "wifi name", "wifi network", "wifi ssid",
        "wlan ssid", "无线网络",
    ]),
    // Profile.
    entry(Profile, Last, &["user age", "возраст", "年龄", "年齡", "年齢", "nianling"]),
    entry(BirthDate, Last, &[
        "birth", "birth date", "birth year", "birthdate", "birthday", "date of birth", "dob", "year of birth", "yob",
        "geburtsdatum", "geburtsjahr", "geburtstag", "date de naissance", "date naissance", "fecha de nacimiento", "fecha nacimiento", "cumpleaños",
        "data de nascimento", "data nascimento", "data di nascita", "data nascita", "data urodzenia", "дата рождения",
        "день рождения", "出生", "生日", "生年月日", "誕生日", "chusheng", "shengri",
    ]),
    entry(Height, Last, &[
        "body height", "height", "größe", "körpergröße", "taille", "estatura", "altura", "altezza", "wzrost", "рост", "身長", "身高", "shengao",
    ]),
    entry(PersonName, Last, &[
        "family name", "first name", "full name", "given name", "last name", "nick name", "nickname", "real name", "surname", "user name",
        "username", "benutzername", "nachname", "spitzname", "vorname", "nom de famille", "prénom", "apellido", "apellidos",
        "nombre completo", "nombre de usuario", "apelido", "nome completo", "sobrenome", "cognome", "soprannome", "imię", "nazwisko",
        "имя пользователя", "отчество", "фамилия", "姓名", "昵称", "暱稱", "用户名", "氏名", "ニックネーム", "nicheng", "xingming",
        "yonghuming",
    ]),
    entry(Sex, Last, &["gender", "sex", "geschlecht", "sexe", "sexo", "sesso", "płeć", "性别", "性別", "xingbie"]),
    entry(Weight, Last, &[
        "body weight", "weight", "gewicht", "körpergewicht", "poids", "peso", "peso corporal", "peso corporeo", "waga", "вес", "体重", "體重",
        "tizhong",
    ]),
    // Identifiers.
    entry(Identifier, AtEnd, &[
        "client id", "device id", "did", "fingerprint", "guid", "hardware id", "identity id", "mac", "mac addr", "mac address", "serial",
        "serial no", "serial number", "sn", "uuid", "geräte id", "seriennummer", "numéro de série", "número de serie", "número de série",
        "numero di serie", "numer seryjny", "серийный номер", "序列号", "序列號", "设备id", "设备号", "シリアル番号",
    ]),
    entry(AccessToken, AtEnd, &[
        "access token", "apptoken", "auth token", "authorization", "bearer token", "id token", "login token", "passwd", "password",
        "refresh token", "session token", "token", "user token", "kennwort", "passwort", "mot de passe", "contraseña", "senha", "hasło",
        "пароль", "密码", "密碼", "令牌", "パスワード",
    ]),
    entry(AccountId, AtEnd, &[
        "account id", "account number", "customer id", "member id", "open id", "openid", "uid", "union id", "user id", "benutzer id",
        "konto id", "id utilisateur", "id usuario", "id utente", "用户id", "账号", "帐号", "帳號", "zhanghao",
    ]),
    entry(AdvertisingId, AtEnd, &[
        "aaid", "ad id", "adid", "advertiser id", "advertising id", "advertising identifier", "android advertising id", "fire adid",
        "gaid", "google ad id", "google advertising id", "gps adid", "idfa", "ifa", "oaid", "werbe id", "id publicitaire",
        "id de publicidad", "广告id", "广告标识",
    ]),
    entry(BandMac, AtEnd, &[
        "band mac", "band mac address", "bracelet mac", "bracelet mac address", "tracker mac", "tracker mac address", "watch mac",
        "watch mac address", "wearable mac", "wearable mac address", "手环mac",
    ]),
    entry(BandSerial, AtEnd, &[
        "band serial", "band serial number", "band sn", "bracelet serial", "bracelet serial number", "tracker serial",
        "tracker serial number", "watch serial", "watch serial number", "watch sn", "wearable serial", "wearable serial number",
        "手环序列号",
    ]),
    entry(EmailAddress, AtEnd, &[
        "e mail", "email", "email address", "mail address", "adresse mail", "courriel", "correo electrónico", "posta elettronica",
        "adres email", "электронная почта", "邮箱", "郵箱", "电子邮件", "メールアドレス", "dianziyoujian",
    ]),
    entry(InstallationId, AtEnd, &[
        "anon id", "anonymous id", "app instance id", "app set id", "device token", "fcm token", "gcm token", "identifier for vendor",
        "idfv", "install id", "installation id", "instance id", "push token", "registration token", "vendor identifier",
    ]),
    entry(IpAddress, AtEnd, &[
        "client ip", "ip", "ip addr", "ip address", "ipv4", "ipv6", "local ip", "public ip", "ip adresse", "adresse ip", "dirección ip",
        "indirizzo ip", "ip地址",
    ]),
    entry(PairingKey, AtEnd, &[
        "auth key", "bind key", "bond key", "irk", "link key", "long term key", "ltk", "pair key", "pairing key",
        "kopplungsschlüssel", "配对密钥",
    ]),
    entry(PhoneId, AtEnd, &[
        "android id", "device fingerprint", "device fingerprint id", "fingerprint id", "iccid", "imei", "imsi", "meid", "open udid",
        "phone id", "ssaid", "udid", "wifi mac", "wifi mac address", "wlan mac", "wlan mac address",
    ]),
    entry(PhoneNumber, AtEnd, &[
        "cell phone", "mobile", "mobile number", "mobile phone", "msisdn", "phone", "phone number", "telephone", "handynummer",
        "mobilnummer", "telefon", "telefonnummer", "numéro de téléphone", "téléphone", "numero de teléfono", "teléfono", "telefone",
        "numero di telefono", "numer telefonu", "номер телефона", "телефон", "手机号", "手機號", "电话", "電話", "shoujihao",
    ]),
    entry(SessionId, AtEnd, &["session", "session id", "visit id", "sitzungs id", "会话id"]),
    // The phone and the band themselves.
    entry(Device, AtEnd, &[
        "battery", "battery level", "battery percent", "battery percentage", "device name", "firmware", "firmware version", "fw version",
        "hardware version", "akkustand", "niveau batterie", "nivel de batería", "livello batteria", "poziom baterii",
        "заряд батареи", "电量", "電量", "固件", "固件版本",
    ]),
    entry(BandBattery, AtEnd, &[
        "band battery", "band battery level", "bracelet battery", "tracker battery", "tracker battery level", "watch battery",
        "watch battery level", "手环电量",
    ]),
    entry(BandFirmware, AtEnd, &[
        "band firmware", "band firmware version", "bracelet firmware", "tracker firmware", "tracker firmware version", "watch firmware",
        "watch firmware version", "手环固件",
    ]),
    entry(DeviceModel, AtEnd, &[
        "device brand", "device make", "device manufacturer", "device model", "hardware model", "manufacturer", "phone brand",
        "phone model", "sys model", "gerätemodell", "modèle appareil", "modelo de dispositivo", "modello dispositivo", "модель устройства", "机型",
        "机型号", "手机型号", "機型", "設備型號", "jixing",
    ]),
    entry(Locale, AtEnd, &[
        "accept language", "lang", "language", "languages", "locale", "sprache", "langue", "idioma", "język", "язык", "语言", "語言",
        "言語",
    ]),
    entry(NetworkOperator, AtEnd, &[
        "carrier", "carrier name", "mcc", "mcc mnc", "mccmnc", "mnc", "mobile operator", "network operator", "network operator name",
        "operator name", "plmn", "sim operator", "sim operator name", "mobilfunkanbieter", "netzbetreiber", "运营商", "運營商",
        "yunyingshang",
    ]),
    entry(OsVersion, AtEnd, &[
        "android version", "api level", "ios version", "operating system", "os", "os build", "os name", "os ver", "os version", "osv",
        "platform version", "sdk int", "sys version", "system version", "betriebssystem", "系统版本", "系統版本",
    ]),
    entry(TimeZone, AtEnd, &[
        "gmt offset", "time zone", "timezone", "timezone id", "timezone name", "timezone offset", "tz", "tz offset", "utc offset",
        "zeitzone", "fuseau horaire", "zona horaria", "fuso horário", "fuso orario", "strefa czasowa", "часовой пояс", "时区", "時區",
        "タイムゾーン",
    ]),
    // What a person has on the phone and does with it.
    entry(AppUsage, AtEnd, &[
        "app usage", "foreground duration", "foreground time", "page name", "page view", "page views", "screen time", "screen view",
        "screen views", "usage stats", "usage time", "nutzungsdauer", "使用时长",
    ]),
    entry(Contacts, AtEnd, &[
        "address book", "contact list", "contacts", "phone book", "adressbuch", "kontakte", "contactos", "contatti", "kontakty",
        "контакты", "联系人", "聯絡人", "通讯录", "連絡先", "lianxiren", "tongxunlu",
    ]),
    entry(CrashReport, AtEnd, &[
        "back trace", "call stack", "crash dump", "crash log", "crash report", "minidump", "stack trace", "崩溃日志",
    ]),
    entry(InstalledApps, AtEnd, &[
        "app list", "apps package", "apps package name", "installed applications", "installed apps", "installed packages", "package list",
        "packages", "packages name", "packages package name", "installierte apps",
        "已安装应用", "应用列表",
    ]),
    entry(Messages, AtEnd, &[
        "chat message", "notification body", "notification content", "notification text", "notification title", "sms", "sms body",
        "sms content", "sms text", "短信", "短信内容", "簡訊", "duanxin",
    ]),
    entry(Photos, AtEnd, &[
        "avatar", "avatar url", "photo", "photo url", "photos", "profile image", "profile photo", "profile picture", "selfie", "foto",
        "fotos", "фото", "头像", "照片", "頭像", "写真", "touxiang",
    ]),
];

/// Words that make a finer category of one that a name speaks of already, anywhere in the path: `summary.stp.cal`. They would say
/// nothing on their own.
pub(super) const REFINEMENTS: &[(Category, Category, &[&str])] = &[
    (HeartRate, HeartRateVariability, &["variability", "variabilität"]),
    (HeartRate, RestingHeartRate, &["rest", "resting", "repos", "reposo", "riposo", "repouso", "ruhe"]),
    (Location, Track, &["route", "track", "tracks"]),
    (Sleep, SleepStages, &["awake", "deep", "light", "phase", "phases", "rem", "stage", "stages"]),
    (Steps, ActivityIntensity, &["intensity"]),
    (Steps, Calories, &["cal", "calories", "kcal"]),
    (Steps, Distance, &["dis", "dist", "distance", "km", "meters", "metres"]),
    (Workout, Calories, &["cal"]),
    (Workout, Distance, &["dis", "dist", "distance"]),
];

/// A name with one of these is about a value, and does not hold it: `heart_rate_unit`, `sms_permission`.
pub(super) const NO_VALUE: &[&str] = &["enabled", "format", "permission", "permissions", "supported", "unit", "units"];

/// `step` beside these is a stage of something, not a footfall; in the name itself or in the one before.
pub(super) const NO_STEPS: &[&str] =
    &["checkout", "flow", "funnel", "index", "login", "name", "onboarding", "registration", "setup", "signup", "tutorial", "wizard"];
/// So is one `step` beside these: `next_step`.
pub(super) const NO_STEP: &[&str] = &["current", "first", "last", "next", "prev", "previous", "id", "number", "title", "type"];

/// `sleep` beside these, in the name itself or in the one before, is a program's.
pub(super) const NO_SLEEP: &[&str] = &["backoff", "cpu", "poll", "polling", "process", "retry", "thread", "threads", "timer", "worker"];
/// So is a sleep that has nothing else in its name: `sleep_ms`.
pub(super) const WAITS: &[&str] = &["interval", "micros", "millis", "milliseconds", "ms", "nanos", "timeout"];

/// `cycle length` beside these is no body's.
pub(super) const NO_CYCLE: &[&str] = &["billing", "charge", "clock", "duty", "payment", "subscription"];

/// `stress` beside these is a program's.
pub(super) const NO_STRESS: &[&str] = &["test", "testing", "tests"];

/// Beside these, a location word speaks of the permission or the sensor, not of a place.
pub(super) const NO_PLACE: &[&str] = &[
    "accuracy",
    "authorization",
    "enabled",
    "mode",
    "permission",
    "permissions",
    "provider",
    "service",
    "services",
    "setting",
    "settings",
    "status",
];

/// Anywhere in the path, these make height and weight those of a picture or a font.
pub(super) const SCREEN: &[&str] = &[
    "banner",
    "bitmap",
    "canvas",
    "display",
    "font",
    "icon",
    "image",
    "keyboard",
    "layout",
    "screen",
    "thumbnail",
    "video",
    "viewport",
    "window",
];
/// So do these in the last name: further out they may hold anything.
pub(super) const ON_A_SCREEN: &[&str] =
    &["button", "content", "document", "frame", "line", "page", "picture", "pixel", "pixels", "px", "row", "tile", "view"];

/// So do these in the name before: `view.height`.
pub(super) const SCREEN_PARTS: &[&str] =
    &["bounds", "box", "button", "cell", "div", "element", "frame", "layer", "node", "picture", "rect", "row", "tile", "view", "widget"];

/// Words that are also of other things (`größe` any size, `peso` money): body height and weight only where the number is a grown or
/// growing person's, in metres, centimetres or kilograms.
pub(super) const NUMBERS_OF_A_BODY: &[&str] = &["größe", "peso", "taille"];

/// Words of coordinates: what stands there without a digit is no place.
pub(super) const COORDINATES: &[&str] = &["coord", "coordinate", "coordinates", "coords", "gps"];
/// Phrases that name a latitude.
pub(super) const LATITUDES: &[&str] =
    &["lat", "latitude", "breitengrad", "latitud", "latitudine", "szerokość geograficzna", "широта", "纬度", "緯度"];
/// Phrases that name a longitude.
pub(super) const LONGITUDES: &[&str] =
    &["lng", "lon", "longitude", "längengrad", "longitud", "longitudine", "długość geograficzna", "долгота", "经度", "經度", "経度"];
/// A number under such a name is a place.
pub(super) const POSTAL_CODES: &[&str] = &[
    "postal code",
    "postcode",
    "zip",
    "zip code",
    "zipcode",
    "plz",
    "postleitzahl",
    "code postal",
    "código postal",
    "codice postale",
    "kod pocztowy",
    "почтовый индекс",
    "邮编",
    "邮政编码",
    "郵便番号",
    "郵遞區號",
    "youbian",
];
/// Words of amounts.
pub(super) const QUANTITIES: &[&str] =
    &["bytes", "count", "disk", "duration", "length", "limit", "memory", "millis", "nanos", "size", "storage", "total", "usage"];
/// Words of versions: what looks like an internet address beside them is none.
pub(super) const VERSIONS: &[&str] = &["build", "release", "ver", "version", "versions"];

/// Words whose values are random by purpose: never taken for base64 data.
pub(super) const TOKENS: &[&str] = &[
    "apptoken",
    "auth",
    "authorization",
    "cookie",
    "digest",
    "hash",
    "jwt",
    "key",
    "md5",
    "nonce",
    "password",
    "secret",
    "session",
    "sha1",
    "sha256",
    "sig",
    "sign",
    "signature",
    "ticket",
    "token",
];

/// Words that say a value is encrypted by the app (`cipher_data`, docs/protocols).
pub(super) const CIPHERS: &[&str] = &["cipher", "cipherdata", "ciphertext", "encrypted"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_phrase_is_said_twice_of_one_place() {
        let mut seen = BTreeSet::new();
        for entry in ENTRIES {
            for phrase in entry.phrases {
                assert!(seen.insert((format!("{:?}", entry.stands), phrase)), "{phrase} of {}", entry.category);
            }
        }
    }

    #[test]
    fn phrases_are_lower_case_words() {
        let lists = ENTRIES.iter().map(|entry| entry.phrases).chain(REFINEMENTS.iter().map(|(_, _, words)| *words));
        for phrase in lists.flatten() {
            let tidy = phrase.split(' ').all(|word| !word.is_empty() && word.chars().all(char::is_alphanumeric));
            assert!(tidy && phrase.to_lowercase() == **phrase, "{phrase:?}");
            assert!(phrase.split(' ').count() <= super::super::lexicon::LONGEST_PHRASE, "{phrase:?}");
        }
    }

    #[test]
    fn a_refinement_is_finer_within_its_group() {
        for (general, finer, _) in REFINEMENTS {
            assert!(finer.group() == general.group() && finer != general, "{general} {finer}");
        }
    }
}
