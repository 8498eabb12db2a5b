import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.StringJoiner;

/** Compact JSON out of maps, lists, texts, numbers and truth values. */
final class Json {
    private Json() {}

    /** An object: keys and values in turn, in that order. */
    static Map<String, Object> object(Object... pairs) {
        Map<String, Object> object = new LinkedHashMap<>();
        for (int n = 0; n < pairs.length; n += 2) {
            object.put((String) pairs[n], pairs[n + 1]);
        }
        return object;
    }

    static String text(Object value) {
        if (value instanceof Map) {
            StringJoiner parts = new StringJoiner(",", "{", "}");
            ((Map<?, ?>) value).forEach((key, item) -> parts.add(quoted((String) key) + ":" + text(item)));
            return parts.toString();
        }
        if (value instanceof List) {
            StringJoiner parts = new StringJoiner(",", "[", "]");
            ((List<?>) value).forEach(item -> parts.add(text(item)));
            return parts.toString();
        }
        return value instanceof String ? quoted((String) value) : String.valueOf(value);
    }

    private static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }
}
