/*
 * config.h
 *		Check that a setting's value is valid for its type.
 */
#ifndef RARR_DATA_CONFIG_H
#define RARR_DATA_CONFIG_H

extern bool rarr_setting_is_valid(const text *value, const char *type);

#endif /* RARR_DATA_CONFIG_H */
