/*
 * report_html.c
 *		Write HTML.
 *
 * The document is ASCII: other characters are numeric references, so that it
 * reads the same whatever encodings the database and the client have.  All text
 * goes through rarr_html_text().  There is no script, and the policy in the head
 * forbids any, and to load anything.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"

#include "base/text.h"
#include "ops/report_html.h"

/* most bytes of a cell */
#define CELL_MAX 2000

static const char *const style =
	":root{color-scheme:light dark;--bg:#fff;--panel:#f6f8fa;--line:#d0d7de;--fg:#1f2328;--dim:#59636e;"
	"--ok:#1a7f37;--warning:#8a5a00;--error:#c21c28;--good:#0969da;--bad:#c21c28}"
	"@media(prefers-color-scheme:dark){:root{--bg:#0d1117;--panel:#161b22;--line:#3d444d;--fg:#e6edf3;--dim:#9198a1;"
	"--ok:#3fb950;--warning:#d29922;--error:#ff6a62;--good:#58a6ff;--bad:#ff6a62}}"
	"*{box-sizing:border-box}"
	"body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.45 system-ui,sans-serif}"
	"main{max-width:70rem;margin:0 auto;padding:1rem}"
	"h1{font-size:1.4rem;margin:.2rem 0;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2rem 0 .3rem}"
	"p{margin:.3rem 0}.dim{color:var(--dim)}"
	".status{border-left:.5rem solid var(--dim);background:var(--panel);padding:.8rem 1rem;margin:1rem 0}"
	".status strong{font-size:1.3rem}"
	".status.healthy{border-color:var(--ok)}.status.warning{border-color:var(--warning)}.status.unhealthy{border-color:var(--error)}"
	"b.warning,.warning strong{color:var(--warning)}b.error,.unhealthy strong{color:var(--error)}.healthy strong{color:var(--ok)}"
	"ul{margin:.5rem 0;padding-left:1.2rem}li{overflow-wrap:anywhere}"
	".scroll{overflow-x:auto;border:1px solid var(--line);border-radius:6px}"
	"table{border-collapse:collapse;width:100%;font-size:.9rem}"
	"th,td{text-align:left;vertical-align:top;padding:.35rem .6rem;border-top:1px solid var(--line);"
	"overflow-wrap:anywhere;min-width:5rem;unicode-bidi:isolate}"
	"td:first-child{min-width:11.5em}td:last-child{white-space:pre-wrap}thead th{border-top:0;background:var(--panel);overflow-wrap:normal}"
	"figure{margin:.8rem 0;background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.6rem}"
	"figcaption,.axis{display:flex;justify-content:space-between;gap:1rem;font-size:.85rem;color:var(--dim)}"
	"svg{display:block;width:100%;height:7rem;margin:.4rem 0}"
	"rect.good{fill:var(--good)}rect.bad{fill:var(--bad)}line{stroke:var(--line)}"
	"@media(max-width:40rem){main{padding:.7rem}"
	"thead{display:none}tr{display:block;border-top:1px solid var(--line);padding:.4rem 0}tr:first-child{border-top:0}"
	"td{display:block;border:0;padding:.1rem .6rem}td::before{content:attr(data-name) \": \";color:var(--dim)}}";

/* Convert text to UTF-8.  What cannot be converted is left out. */
static char *
to_utf8(const char *text)
{
	int encoding = GetDatabaseEncoding();
	int length = strlen(text);
	int room = length * MAX_CONVERSION_GROWTH + 1;
	char *result;
	Oid proc;

	if (encoding == PG_UTF8)
		return unconstify(char *, text);
	result = palloc0(room);
	proc = encoding == PG_SQL_ASCII ? InvalidOid : FindDefaultConversionProc(encoding, PG_UTF8);
	if (OidIsValid(proc))
		(void) pg_do_encoding_conversion_buf(proc, encoding, PG_UTF8, (unsigned char *) unconstify(char *, text), length,
											 (unsigned char *) result, room, true);
	else
		for (int i = 0; i < length; i++)
			result[i] = IS_HIGHBIT_SET(text[i]) ? '?' : text[i];
	return result;
}

/* Write a character that is not plain ASCII. */
static void
put_reference(StringInfo html, pg_wchar c)
{
	if (c < 0xa0 && c != '\n' && c != '\t' && (c < 0x20 || c >= 0x7f))
		c = 0xfffd; /* a control character */
	appendStringInfo(html, "&#x%X;", c);
}

/*
 * Write text of the database, cut to max_bytes.  It becomes nothing but text,
 * within elements and within attributes in quotation marks.
 */
void
rarr_html_text(StringInfo html, const char *text, int max_bytes)
{
	const char *utf8 = to_utf8(rarr_clip_text(rarr_valid_text(text), max_bytes));

	for (const char *c = utf8; *c != '\0'; c += pg_utf_mblen((const unsigned char *) c))
		if (IS_HIGHBIT_SET(*c))
			put_reference(html, utf8_to_unicode((const unsigned char *) c));
		else if (strchr("<>&\"'`", *c) != NULL || (unsigned char) *c < 0x20 || *c == 0x7f)
			put_reference(html, (unsigned char) *c);
		else
			appendStringInfoChar(html, *c);
}

/* Begin the document. */
void
rarr_html_begin(StringInfo html, const char *title)
{
	appendStringInfoString(html,
						   "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
						   "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
						   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
						   "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
	rarr_html_text(html, title, CELL_MAX);
	appendStringInfo(html, "</title>\n<style>%s</style>\n</head>\n<body>\n<main>\n<h1>", style);
	rarr_html_text(html, title, CELL_MAX);
	appendStringInfoString(html, "</h1>\n");
}

/* End the document. */
void
rarr_html_end(StringInfo html)
{
	appendStringInfoString(html, "</main>\n</body>\n</html>\n");
}

/* Write a paragraph that explains. */
void
rarr_html_note(StringInfo html, const char *note)
{
	appendStringInfoString(html, "<p class=\"dim\">");
	rarr_html_text(html, note, CELL_MAX);
	appendStringInfoString(html, "</p>\n");
}

/* Begin a section.  note: may be NULL. */
void
rarr_html_heading(StringInfo html, const char *heading, const char *note)
{
	appendStringInfoString(html, "<h2>");
	rarr_html_text(html, heading, CELL_MAX);
	appendStringInfoString(html, "</h2>\n");
	if (note != NULL)
		rarr_html_note(html, note);
}

/* Write a table. */
void
rarr_html_table(StringInfo html, const char *const *columns, int ncolumns, const RarrMonitorRows *rows)
{
	appendStringInfoString(html, "<div class=\"scroll\"><table><thead><tr>");
	for (int i = 0; i < ncolumns; i++)
		appendStringInfo(html, "<th scope=\"col\">%s</th>", columns[i]);
	appendStringInfoString(html, "</tr></thead><tbody>\n");
	for (int r = 0; r < rows->n; r++)
	{
		appendStringInfoString(html, "<tr>");
		for (int i = 0; i < ncolumns; i++)
		{
			appendStringInfo(html, "<td data-name=\"%s\">", columns[i]);
			rarr_html_text(html, rows->values[r][i] != NULL ? rows->values[r][i] : "", CELL_MAX);
			appendStringInfoString(html, "</td>");
		}
		appendStringInfoString(html, "</tr>\n");
	}
	appendStringInfoString(html, "</tbody></table></div>\n");
}

/* Write a chart of bars.  from, until: the ends of its time. */
void
rarr_html_chart(StringInfo html, const RarrChart *chart, const char *from, const char *until)
{
	int64 most = 0;
	int64 sum = 0;

	for (int i = 0; i < chart->n; i++)
	{
		most = Max(most, chart->values[i]);
		sum += chart->values[i];
	}
	appendStringInfo(html, "<figure><figcaption><span>%s: " INT64_FORMAT "</span><span>at most " INT64_FORMAT " in 15 minutes</span></figcaption>\n"
						   "<svg viewBox=\"0 0 %d 100\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s in the last day: " INT64_FORMAT "\">"
						   "<line x1=\"0\" y1=\"100\" x2=\"%d\" y2=\"100\"/>",
					 chart->title, sum, most, chart->n * 10, chart->title, sum, chart->n * 10);
	for (int i = 0; i < chart->n; i++)
	{
		int height = chart->values[i] == 0 ? 0 : Max((int) (chart->values[i] * 100.0 / most), 2);

		if (height > 0)
			appendStringInfo(html, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"8\" height=\"%d\"/>", chart->class, i * 10 + 1,
							 100 - height, height);
	}
	appendStringInfoString(html, "</svg>\n<div class=\"axis\"><span>");
	rarr_html_text(html, from, CELL_MAX);
	appendStringInfoString(html, "</span><span>");
	rarr_html_text(html, until, CELL_MAX);
	appendStringInfoString(html, "</span></div></figure>\n");
}
