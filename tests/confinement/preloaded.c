/* A library that does before main what monitoring agents and allocators do. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *wait_for_ever(void *nothing)
{
	for (;;)
		pause();
	return nothing;
}

#ifdef FAULT
int bind(int socket, const void *address, unsigned int length)
{
	*(volatile char *)8 = 0;
	return socket + !address + length;
}
#endif

__attribute__((constructor)) static void start(void)
{
	pthread_t thread;

	/* As one that tells its children where it is. */
	setenv("LINX_PORT_TEST_PRELOADED", "yes", 1);
#ifdef THREAD
	pthread_create(&thread, NULL, wait_for_ever, NULL);
#endif
	(void)thread;
	(void)wait_for_ever;
}
