import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.function.IntFunction;

/**
 * The bodies of the app's uploads: a day is JSON, with its minutes in base64 and its summary as JSON in a string. The layout of each is
 * in docs/protocols/huami-cloud.md; the stand-in app of the simulated rig sends the same.
 */
final class Uploads {
    private static final int MINUTES = 1440;
    private static final int SOURCE = 24;

    private Uploads() {}

    /** One local day of a band's minutes. */
    static final class Day {
        final LocalDate date;
        final int offset;
        final byte[] activity = new byte[3 * MINUTES];
        final byte[] heartRate = new byte[MINUTES];

        private Day(LocalDate date, int offset, long now) {
            this.date = date;
            this.offset = offset;
            for (int minute = 0; minute < MINUTES; minute++) {
                boolean toCome = midnight() + minute * 60L >= now / 60 * 60;
                heartRate[minute] = (byte) (toCome ? 0xfe : 0xff);
                activity[3 * minute] = (byte) (toCome ? 0x7e : 0);
            }
        }

        private long midnight() {
            return date.atStartOfDay().toEpochSecond(ZoneOffset.ofTotalSeconds(offset));
        }
    }

    /** A band's history as far as it is over at {@code now} (seconds), two days back at most, as local days. */
    static List<Day> days(Properties band, long now, String version) {
        int offset = Integer.parseInt(band.getProperty("utc_offset_s"));
        long start = Long.parseLong(band.getProperty("start"));
        byte[] samples = Base64.getDecoder().decode(band.getProperty("samples"));
        int all = 0;
        for (int n = 3; n < samples.length; n += 4) {
            all += isReading(samples[n]) ? 1 : 0;
        }
        List<Day> days = new ArrayList<>();
        int reading = 0;
        for (int n = 0; n < samples.length / 4; n++) {
            long time = start + 60L * n;
            int heart = samples[4 * n + 3];
            if (isReading((byte) heart)) {
                boolean kept = version.equals("sim-1.3") ? reading % 2 == 0 : !version.equals("sim-1.4") || reading >= all / 2;
                heart = kept ? heart : 0xff;
                reading++;
            }
            if (time + 60 > now || time < now - 2 * 86_400) {
                continue;
            }
            LocalDateTime local = LocalDateTime.ofEpochSecond(time, 0, ZoneOffset.ofTotalSeconds(offset));
            if (days.isEmpty() || !days.get(days.size() - 1).date.equals(local.toLocalDate())) {
                days.add(new Day(local.toLocalDate(), offset, now));
            }
            Day day = days.get(days.size() - 1);
            int minute = local.getHour() * 60 + local.getMinute();
            System.arraycopy(samples, 4 * n, day.activity, 3 * minute, 3);
            day.heartRate[minute] = (byte) heart;
        }
        return days;
    }

    /** One day as it stands in {@code data_json}; {@code position} is where the phone is, for a version that tells. */
    static Map<String, Object> day(Day day, String device, String serial, double[] position) {
        Base64.Encoder base64 = Base64.getEncoder();
        return Json.object(
                "data_hr", base64.encodeToString(day.heartRate),
                "date", day.date.toString(),
                "data", List.of(Json.object("start", 0, "stop", MINUTES - 1, "value", base64.encodeToString(day.activity),
                        "tz", day.offset / 900, "did", device, "src", SOURCE)),
                "summary", Json.text(summary(day, serial, position)),
                "source", SOURCE,
                "type", 0);
    }

    /** What the app makes of a day: sleep and steps. */
    private static Map<String, Object> summary(Day day, String serial, double[] position) {
        List<int[]> stages = stretches(minute -> {
            int kind = day.activity[3 * minute] & 0x0f;
            return day.activity[3 * minute] == 0x7e ? 0 : kind == 9 ? 4 : kind == 11 ? 5 : 0;
        });
        // The night is what ends before noon.
        stages.removeIf(stage -> stage[1] >= MINUTES / 2);
        List<int[]> walks = stretches(minute -> (day.activity[3 * minute] & 0x0f) == 1 && steps(day, minute, minute) > 0 ? 1 : 0);
        int deep = minutes(stages, 5);
        int light = minutes(stages, 4);
        int total = steps(day, 0, MINUTES - 1);
        long from = stages.isEmpty() ? 0 : stages.get(0)[0];
        long to = stages.isEmpty() ? 0 : stages.get(stages.size() - 1)[1] + 1;
        List<Object> slept = new ArrayList<>();
        stages.forEach(stage -> slept.add(Json.object("start", stage[0] + MINUTES, "stop", stage[1] + MINUTES, "mode", stage[2])));
        List<Object> walked = new ArrayList<>();
        walks.forEach(walk -> {
            int taken = steps(day, walk[0], walk[1]);
            walked.add(Json.object("start", walk[0], "stop", walk[1], "mode", walk[2],
                    "dis", taken * 71 / 100, "cal", taken * 35 / 1000, "step", taken));
        });
        Map<String, Object> summary = Json.object(
                "v", 6,
                "slp", Json.object("st", day.midnight() + 60 * from, "ed", day.midnight() + 60 * to, "dp", deep, "lt", light, "wk", 0,
                        "usrSt", -1440, "usrEd", -1440, "wc", 0, "is", 8, "lb", 3, "to", 0, "dt", 0, "rhr", 0,
                        "ss", Math.min(deep + light, 480) * 100 / 480, "stage", slept),
                "stp", Json.object("ttl", total, "dis", total * 71 / 100, "cal", total * 35 / 1000, "wk", minutes(walks, 1), "rn", 0,
                        "runDist", 0, "runCal", 0, "stage", walked),
                "goal", 8000,
                "tz", String.valueOf(day.offset),
                "sn", serial);
        if (position != null) {
            summary.put("location", Json.object("latitude", rounded(position[0]), "longitude", rounded(position[1])));
        }
        return summary;
    }

    /** A track: hundred-millionths of a degree, latitude first; the first point absolute, the others differences. */
    static String track(List<double[]> points) {
        StringBuilder text = new StringBuilder();
        long lat = 0;
        long lon = 0;
        for (double[] point : points) {
            long nextLat = Math.round(point[0] * 1e8);
            long nextLon = Math.round(point[1] * 1e8);
            text.append(nextLat - lat).append(',').append(nextLon - lon).append(';');
            lat = nextLat;
            lon = nextLon;
        }
        return text.toString();
    }

    /** The length of a track, metres, on a sphere. */
    static double metres(List<double[]> points) {
        double metres = 0;
        for (int n = 1; n < points.size(); n++) {
            double[] a = points.get(n - 1);
            double[] b = points.get(n);
            double height = Math.pow(Math.sin(Math.toRadians(b[0] - a[0]) / 2), 2);
            double width = Math.pow(Math.sin(Math.toRadians(b[1] - a[1]) / 2), 2);
            double half = height + Math.cos(Math.toRadians(a[0])) * Math.cos(Math.toRadians(b[0])) * width;
            metres += 2 * 6_371_000 * Math.asin(Math.sqrt(half));
        }
        return metres;
    }

    static double rounded(double degrees) {
        return Math.round(degrees * 1e5) / 1e5;
    }


    private static boolean isReading(byte heart) {
        int beats = heart & 0xff;
        return beats > 0 && beats < 0xfe;
    }

    private static int steps(Day day, int from, int to) {
        int steps = 0;
        for (int minute = from; minute <= to; minute++) {
            steps += day.activity[3 * minute + 2] & 0xff;
        }
        return steps;
    }

    private static int minutes(List<int[]> stretches, int mode) {
        return stretches.stream().filter(stretch -> stretch[2] == mode).mapToInt(stretch -> stretch[1] - stretch[0] + 1).sum();
    }

    /** Stretches of minutes with the same mode, 0 being none: first minute, last minute, mode. */
    private static List<int[]> stretches(IntFunction<Integer> mode) {
        List<int[]> stretches = new ArrayList<>();
        for (int minute = 0; minute < MINUTES; minute++) {
            int now = mode.apply(minute);
            int[] last = stretches.isEmpty() ? null : stretches.get(stretches.size() - 1);
            if (now != 0 && last != null && last[1] + 1 == minute && last[2] == now) {
                last[1] = minute;
            } else if (now != 0) {
                stretches.add(new int[] {minute, minute, now});
            }
        }
        return stretches;
    }
}
